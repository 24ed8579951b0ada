"""The life of a worker process: inputs in, attempts out, until its pipe ends."""

import logging
import os
import pickle
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, NoReturn, TypeVar

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.task import Task, attempt
from audiocnn_cli.errors import AudiocnnError

R = TypeVar("R")

READY = "ready"
# From linux/prctl.h: the signal that a process gets when its parent dies.
_PR_SET_PDEATHSIG = 1

_log = logging.getLogger("audiocnn")


def serve(
    task: Task[R],
    connection: "Connection[Any, Any]",
    inherited: "list[Connection[Any, Any]]",
    log_level: int,
) -> None:
    """Work until nobody asks any more; `inherited` are the ends of pipes that belong to others."""
    for other in inherited:
        other.close()
    _die_with_parent()
    # Results are the parent's to print, and whoever reads its stdout must see the end of it.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    # Ctrl-C goes to the whole process group; what it means is decided by the parent.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    _log.setLevel(log_level)
    _let_interrupts_in()
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):  # nobody is there any more
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
    """The task's work; what goes wrong with it will do so in each worker, and ends the batch."""
    try:
        return task.prepare()
    except AudiocnnError:
        raise
    except Exception as error:
        raise AudiocnnError(f"can't begin ({type(error).__name__}: {error})") from error


def _let_interrupts_in() -> None:
    """In a worker, which was started while none came, and ignores them by now."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _die_with_parent() -> None:
    """Where the system can: no file that hangs keeps a worker for ever, and none writes for nobody."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _leave(*_: object) -> NoReturn:
    # Where a library called us back the exit is swallowed, and would be told to the user.
    sys.unraisablehook = lambda _: None
    sys.exit(1)
