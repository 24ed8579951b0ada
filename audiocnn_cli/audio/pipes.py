"""Standard input as it arrives: read ahead, and interrupted by Ctrl-C."""

import io
import os
import select
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any

# The largest number of bytes read at once; a pipe returns those that have arrived.
_CHUNK = 1 << 16
_ENDLESS = 1 << 40
# libsndfile recognises a format by these first bytes, and does not wait for them.
_RECOGNISED = 512


def first_bytes(stream: IO[bytes], count: int) -> bytes:
    """The first `count` bytes, or fewer if the stream ends."""
    head = b""
    while len(head) < count and (more := stream.read(count - len(head))):
        head += more
    return head


@dataclass(slots=True)
class Interrupt:
    """Whether Ctrl-C was pressed."""

    requested: bool = False


@contextmanager
def piped(stream: IO[bytes], head: bytes) -> Iterator[tuple[IO[bytes], Interrupt]]:
    """A pipe with `head` and the bytes that follow, for libraries that read a descriptor from its beginning.

    Ctrl-C raises nothing here, where a library would suppress it or finish its read first: it closes the
    pipe, and the reader checks the `Interrupt`.
    """
    out, into = os.pipe()
    with _interrupt() as (interrupt, signalled):

        def pump() -> None:
            # The reader may close first, and the writer may close during a read.
            with suppress(OSError, ValueError), os.fdopen(into, "wb", buffering=0) as pipe:
                chunk = head
                while chunk:
                    pipe.write(chunk)
                    chunk = stream.read(_CHUNK) if _arrived(stream, signalled) else b""

        thread = threading.Thread(target=pump, daemon=True)
        with os.fdopen(out, "rb", buffering=0) as pipe:
            thread.start()
            yield pipe, interrupt


@contextmanager
def _interrupt() -> Iterator[tuple[Interrupt, int]]:
    """Record Ctrl-C; the descriptor becomes readable once a signal has arrived."""
    interrupt = Interrupt()

    def record(*_: object) -> None:
        interrupt.requested = True

    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    handler = signal.signal(signal.SIGINT, record)
    before = signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    try:
        yield interrupt, readable
    finally:
        signal.set_wakeup_fd(before)
        signal.signal(signal.SIGINT, handler)
        os.close(writable)  # ends a select() that still waits
        os.close(readable)


def _arrived(stream: IO[bytes], signalled: int) -> bool:
    """Wait for data or the end of the stream; false when a signal arrives first."""
    try:
        arriving = stream.fileno()
    except OSError:
        return True  # no file descriptor, so select() can't wait for it
    return signalled not in select.select([arriving, signalled], [], [])[0]


class Ahead(io.RawIOBase):
    """A pipe in which libsndfile can seek back within the header of a FLAC stream."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._head = first_bytes(pipe, _RECOGNISED)
        self._at = 0

    def readinto(self, buffer: Any) -> int:
        """Read the bytes that have arrived; 0 at the end."""
        here = self._head[self._at : self._at + len(buffer)]
        if not here and self._at < _ENDLESS:
            here = self._pipe.read(len(buffer))
            if self._at == len(self._head) < _CHUNK:
                self._head += here
        buffer[: len(here)] = here
        self._at += len(here)
        return len(here)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Seek within the header; the end is taken to be beyond any stream."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: _ENDLESS}[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        """The position of the next byte."""
        return self._at
