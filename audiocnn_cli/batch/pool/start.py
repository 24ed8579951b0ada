"""How worker processes are started, and why they ended."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from multiprocessing.context import BaseContext

from audiocnn_cli.batch.pool import worker


def start_context(modules: tuple[str, ...]) -> BaseContext:
    """Fork where that is safe, which is while this process has one thread; else fork from a clean server."""
    if can_fork():
        for module in modules:
            import_module(module)
        if _threads() == 1:
            return multiprocessing.get_context("fork")
    if "forkserver" in multiprocessing.get_all_start_methods():
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([worker.__name__, *modules])
        return context
    return multiprocessing.get_context("spawn")


def can_fork() -> bool:
    """Whether a worker can be a copy of this process, which then starts at once."""
    return "fork" in multiprocessing.get_all_start_methods() and _threads() == 1


def _threads() -> int:
    """How many threads this process has, also those that Python does not know; 0: who can say."""
    try:
        return len(os.listdir("/proc/self/task"))  # noqa: PTH208 (a third of the time)
    except OSError:
        return 0


@contextmanager
def uninterrupted() -> Iterator[None]:
    """No Ctrl-C in the block: raised in the middle of a fork it would be lost. It comes afterwards."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def cause_of(exitcode: int | None) -> str:
    """Why a worker died, in words."""
    if exitcode is None or exitcode >= 0:
        return f"the worker left with exit code {exitcode}"
    name = signal.Signals(-exitcode).name
    memory = ", as the system does when memory runs out" if name == "SIGKILL" else ""
    return f"the worker died of {name}{memory}"
