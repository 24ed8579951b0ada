"""Ctrl-C, and the SIGTERM of a queue: once finishes the files in work, twice stops at once."""

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

_log = logging.getLogger("audiocnn")


@dataclass(slots=True)
class Stop:
    """Whether the batch is asked to begin nothing more; `gently` if it can finish what is in work."""

    asked: bool = False
    gently: bool = False


@contextmanager
def stop_on_interrupt() -> Iterator[Stop]:
    """A `Stop` that the first Ctrl-C or SIGTERM asks for; the second one is a `KeyboardInterrupt`."""
    stop = Stop()

    def ask(_number: int, _frame: FrameType | None) -> None:
        if stop.asked or not stop.gently:
            raise KeyboardInterrupt
        stop.asked = True
        _log.warning("finishing the files in work; Ctrl-C again stops at once")

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
