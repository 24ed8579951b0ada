"""Ctrl-C: once finishes the files in work, twice stops at once."""

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
    """A `Stop` that the first Ctrl-C asks for; the second one is a `KeyboardInterrupt`."""
    stop = Stop()

    def ask(_number: int, _frame: FrameType | None) -> None:
        if stop.asked or not stop.gently:
            raise KeyboardInterrupt
        stop.asked = True
        _log.warning("finishing the files in work; Ctrl-C again stops at once")

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
