"""A worker process: how it is started, what it runs, and why it ended."""

import logging
import multiprocessing
import os
import pickle
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from typing import Any, NoReturn, TypeVar

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.task import Task, attempt
from audiocnn_cli.errors import AudiocnnError

R = TypeVar("R")

READY = "ready"
# From linux/prctl.h: the signal that a process gets when its parent ends.
_PR_SET_PDEATHSIG = 1

_log = logging.getLogger("audiocnn")


def start_context(modules: tuple[str, ...]) -> BaseContext:
    """Fork where that is safe: while this process has one thread. Else fork from a server process."""
    if can_fork():
        for module in modules:
            import_module(module)
        if _threads() == 1:
            return multiprocessing.get_context("fork")
    if "forkserver" in multiprocessing.get_all_start_methods():
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__, *modules])
        return context
    return multiprocessing.get_context("spawn")


def can_fork() -> bool:
    """Whether a worker can be forked from this process, which takes almost no time."""
    return "fork" in multiprocessing.get_all_start_methods() and _threads() == 1


def _threads() -> int:
    """The number of threads of this process, also of native ones; 0 where it can't be read."""
    try:
        return len(os.listdir("/proc/self/task"))  # noqa: PTH208 (a third of the time)
    except OSError:
        return 0


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back Ctrl-C in the block: raised in the middle of a fork it would be lost."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def cause_of(exitcode: int | None) -> str:
    """Why a worker ended, for a message."""
    if exitcode is None or exitcode >= 0:
        return f"the worker left with exit code {exitcode}"
    name = signal.Signals(-exitcode).name
    memory = ", as the system does when memory runs out" if name == "SIGKILL" else ""
    return f"the worker died of {name}{memory}"


def serve(
    task: Task[R], connection: "Connection[Any, Any]", inherited: "list[Connection[Any, Any]]", log_level: int
) -> None:
    """Work on the inputs from `connection` until it ends; `inherited` are pipes of other workers."""
    for other in inherited:
        other.close()
    _die_with_parent()
    # Only the parent prints results, and a reader of its stdout must see the end of the file.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    # Ctrl-C reaches the whole process group; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _exit)
    _log.setLevel(log_level)
    if hasattr(signal, "pthread_sigmask"):  # blocked by `uninterrupted` when this process was started
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the parent is gone
        try:
            work = _prepared(task)
            send(connection, READY)
            while True:
                send(connection, attempt(work, connection.recv()))
        except AudiocnnError as error:
            send(connection, error)


def send(connection: "Connection[Any, Any]", message: object) -> None:
    """As `connection.send`, without the pickler that it builds for each message."""
    connection.send_bytes(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))


def _prepared(task: Task[R]) -> Callable[[Source], R]:
    """The task's work; an error of `prepare` would repeat in each worker, and ends the batch."""
    try:
        return task.prepare()
    except AudiocnnError:
        raise
    except Exception as error:
        raise AudiocnnError(f"can't begin ({type(error).__name__}: {error})") from error


def _die_with_parent() -> None:
    """End this process when its parent ends, on Linux: a worker that hangs would remain for ever."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _exit(*_: object) -> NoReturn:
    # Inside a callback from native code Python would swallow the exit and print a warning of it.
    sys.unraisablehook = lambda _: None
    sys.exit(1)
