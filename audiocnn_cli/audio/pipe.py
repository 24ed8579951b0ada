"""A pipe that can be waited for: what arrives is handed on at once, and a signal ends it."""

import os
import select
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO

# At most so many bytes are read at once; a pipe gives what has arrived.
CHUNK = 1 << 16


def first_bytes(stream: IO[bytes], count: int) -> bytes:
    """So many bytes, or all there are."""
    head = b""
    while len(head) < count and (more := stream.read(count - len(head))):
        head += more
    return head


@dataclass(slots=True)
class Interrupt:
    """Whether Ctrl-C was pressed."""

    asked: bool = False


@contextmanager
def piped(stream: IO[bytes], head: bytes) -> Iterator[tuple[IO[bytes], Interrupt]]:
    """A pipe of our own with `head` and what follows: libraries read a descriptor from its beginning.

    Ctrl-C is not raised here, where it would get lost in a library or wait for its read to end: it ends the
    pipe, and whoever reads has to look at the `Interrupt`.
    """
    out, into = os.pipe()
    with _interrupt() as (interrupt, signalled):

        def pump() -> None:
            # The reader may go away first, and the writer may close in the middle of a read.
            with suppress(OSError, ValueError), os.fdopen(into, "wb", buffering=0) as pipe:
                chunk = head
                while chunk:
                    pipe.write(chunk)
                    chunk = stream.read(CHUNK) if _arrived(stream, signalled) else b""

        thread = threading.Thread(target=pump, daemon=True)
        with os.fdopen(out, "rb", buffering=0) as pipe:
            thread.start()
            yield pipe, interrupt


@contextmanager
def _interrupt() -> Iterator[tuple[Interrupt, int]]:
    """Take note of Ctrl-C; the descriptor has something to read once a signal has come."""
    interrupt = Interrupt()

    def note(*_: object) -> None:
        interrupt.asked = True

    seen, told = os.pipe()
    os.set_blocking(told, False)
    handler = signal.signal(signal.SIGINT, note)
    before = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    try:
        yield interrupt, seen
    finally:
        signal.set_wakeup_fd(before)
        signal.signal(signal.SIGINT, handler)
        os.close(told)  # whoever still waits sees the end
        os.close(seen)


def _arrived(stream: IO[bytes], signalled: int) -> bool:
    """Wait until there is something to read, or the end; false when a signal comes first."""
    try:
        arriving = stream.fileno()
    except OSError:
        return True  # no file of the system, so that it can't be waited for
    return signalled not in select.select([arriving, signalled], [], [])[0]
