"""Standard input as it arrives: read ahead, or stored in a file, and ended by Ctrl-C and SIGTERM."""

import io
import os
import select
import signal
import stat
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

from audiocnn_cli.audio.sources import STDIN
from audiocnn_cli.errors import FailureKind, InputError, SignalError

# The largest number of bytes read at once; a pipe returns those that have arrived.
CHUNK = 1 << 16
_ENDLESS = 1 << 40
# libsndfile recognises a format by these first bytes, and does not wait for them.
_RECOGNISED = 512


def standard_input() -> IO[bytes] | None:
    """Standard input without a buffer of Python's; None where the shell has closed it."""
    # Python waits for the buffer at exit while a thread reads it.
    return getattr(sys.stdin.buffer, "raw", sys.stdin.buffer) if sys.stdin else None


@contextmanager
def incoming(stream: IO[bytes]) -> "Iterator[Incoming]":
    """The bytes of `stream` as they arrive; in the block, Ctrl-C and SIGTERM end it and raise nothing.

    A library would suppress what is raised while it reads, or finish its read first. Who reads calls `check`.
    Signals are the main thread's: in another one they stay as they are.
    """
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    arrived = Incoming(stream, readable)

    def record(*_: object) -> None:
        arrived.interrupted = True

    main = threading.current_thread() is threading.main_thread()
    numbers = (signal.SIGINT, signal.SIGTERM) if main else ()
    handlers = {number: signal.signal(number, record) for number in numbers}
    before = signal.set_wakeup_fd(writable, warn_on_full_buffer=False) if main else -1
    try:
        yield arrived
    finally:
        if main:
            signal.set_wakeup_fd(before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        os.close(writable)  # ends a select() that still waits
        os.close(readable)


class Incoming:
    """A stream that is read forward, up to its end or a signal; the descriptor `signalled` reports one."""

    def __init__(self, stream: IO[bytes], signalled: int) -> None:
        self._stream = stream
        self._signalled = signalled
        self._begun = b""
        self._failure: SignalError | None = None
        self.interrupted = False

    def check(self) -> None:
        """Raise what ended the stream before its end.

        Raises:
            KeyboardInterrupt: a signal has arrived.
            SignalError: what makes the chunks of a pipe refuses it.
        """
        if self.interrupted:
            raise KeyboardInterrupt
        if self._failure is not None:
            raise self._failure

    def head(self, count: int) -> bytes:
        """The next `count` bytes, or fewer if the stream ends; they stay the next ones."""
        while len(self._begun) < count and (more := self._next(count - len(self._begun))):
            self._begun += more
        self.check()
        return self._begun[:count]

    def skip(self, count: int) -> None:
        """Leave out the next `count` bytes."""
        for chunk in self.chunks():
            self._begun = chunk[count:]
            count -= len(chunk)
            if count <= 0:
                break
        self.check()

    def chunks(self) -> Iterator[bytes]:
        """The bytes as they arrive."""
        chunk, self._begun = self._begun, b""
        while chunk := chunk or self._next(CHUNK):
            yield chunk
            chunk, self._begun = self._begun, b""

    def _next(self, count: int) -> bytes:
        """The next bytes, `count` at most, as soon as there are any; none at the end, or at a signal."""
        try:
            if not self._waits():
                return b""
            return self._stream.read(count) or b""
        except OSError as error:
            message = f"can't be read ({error.strerror or error})"
            raise SignalError(FailureKind.NOT_AUDIO, message) from error

    def _waits(self) -> bool:
        """Wait for data or the end; False where a signal arrives first."""
        try:
            waiting = self._stream.fileno()
        except OSError:  # no descriptor, so select() can't wait for it
            return True
        return self._signalled not in select.select([waiting, self._signalled], [], [])[0]

    @contextmanager
    def pipe(self, chunks: Iterable[bytes]) -> Iterator[IO[bytes]]:
        """A pipe for libraries that read a descriptor: a thread writes `chunks`, made of the stream's."""
        out, into = os.pipe()

        def pump() -> None:
            # The reader may close first, and the writer may close during a read.
            with suppress(OSError, ValueError), os.fdopen(into, "wb", buffering=0) as pipe:
                try:
                    for chunk in chunks:
                        rest = memoryview(chunk)
                        while rest:
                            rest = rest[pipe.write(rest) :]
                except SignalError as error:
                    self._failure = error

        with os.fdopen(out, "rb", buffering=0) as pipe:
            threading.Thread(target=pump, daemon=True).start()
            yield pipe

    def stored(self) -> IO[bytes]:
        """All bytes in a temporary file, which is deleted when it is closed.

        Raises:
            InputError, SignalError: there is no room for it, or the stream can't be read.
            KeyboardInterrupt: as `check`.
        """
        try:
            file: IO[bytes] = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (the caller closes it)
            for chunk in self.chunks():
                file.write(chunk)
        except OSError as error:
            message = f"can't be stored in a temporary file ({error.strerror}); TMPDIR names another folder"
            raise InputError(STDIN, FailureKind.TOO_LARGE, message) from error
        self.check()
        return file


def is_file(stream: IO[bytes]) -> bool:
    """Whether the stream is a regular file of which nothing has been read."""
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode) and stream.tell() == 0
    except OSError:
        return False


# Standard input, and a descriptor of the temporary file with its content.
_stored: list[tuple[object, int]] = []


def stored_stdin() -> IO[bytes]:
    """Standard input as a file that can be read several times, from its beginning.

    What is not a file is stored in a temporary one.

    Raises:
        InputError, SignalError: it is empty, can't be read, or there is no room for it.
        KeyboardInterrupt: a signal has arrived first.
    """
    stream = standard_input()
    if stream is None:
        raise InputError(STDIN, FailureKind.EMPTY, "is empty (0 bytes)")
    if not _stored or _stored[0][0] is not stream:
        for _, descriptor in _stored:
            os.close(descriptor)
        _stored.clear()
        if is_file(stream):
            _stored.append((stream, os.dup(stream.fileno())))
        else:
            with incoming(stream) as arrived, arrived.stored() as file:
                _stored.append((stream, os.dup(file.fileno())))
    # All descriptors of the file have the same position.
    os.lseek(_stored[0][1], 0, os.SEEK_SET)
    return io.FileIO(os.dup(_stored[0][1]), "rb")


class Ahead(io.RawIOBase):
    """A pipe in which libsndfile can seek back within the header of a FLAC stream."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._head = b""
        while len(self._head) < _RECOGNISED and (more := pipe.read(_RECOGNISED - len(self._head))):
            self._head += more
        self._at = 0

    def readinto(self, buffer: Any) -> int:
        """Read the bytes that have arrived; 0 at the end."""
        here = self._head[self._at : self._at + len(buffer)]
        if not here and self._at < _ENDLESS:
            here = self._pipe.read(len(buffer))
            if self._at == len(self._head) < CHUNK:
                self._head += here
        buffer[: len(here)] = here
        self._at += len(here)
        return len(here)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Seek within the header; the end is taken to be beyond any stream."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: _ENDLESS}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """The position of the next byte."""
        return self._at
