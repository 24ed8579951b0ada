"""What C libraries print on stderr, collected: libmpg123 prints notes and warnings.

While such a library runs, the variable `stderr` of the C library is another stream. File descriptor 2 stays
as it is, so what Python prints meanwhile, in any thread, is printed.
"""

import ctypes
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

# The most that is kept of one call; a damaged file gives a message for each frame.
_SIZE = 4096
_UNBUFFERED = 2  # _IONBF of stdio.h


class _Collector:
    """A C stream into memory that takes the place of `stderr`; None of it where the C library is another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._depth = 0
        self._replaced: int | None = None
        self._stream: int | None = None
        library: Any = ctypes.CDLL(None)
        # musl's variable is constant.
        name = "__stderrp" if sys.platform == "darwin" else "stderr"
        if sys.platform != "darwin" and not hasattr(library, "gnu_get_libc_version"):
            return
        library.fmemopen.restype = ctypes.c_void_p
        library.fmemopen.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p]
        library.setvbuf.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
        library.rewind.argtypes = [ctypes.c_void_p]
        library.ftell.argtypes = [ctypes.c_void_p]
        library.ftell.restype = ctypes.c_long
        self._library = library
        self._variable = ctypes.c_void_p.in_dll(library, name)
        self._memory = ctypes.create_string_buffer(_SIZE)
        self._stream = library.fmemopen(self._memory, _SIZE, b"w")
        if self._stream:
            library.setvbuf(self._stream, None, _UNBUFFERED, 0)

    def begin(self) -> None:
        """Replace `stderr`."""
        with self._lock:
            if self._stream and not self._depth:
                self._replaced, self._variable.value = self._variable.value, self._stream
            self._depth += 1

    def end(self) -> str:
        """Put `stderr` back once all have ended; what was printed."""
        with self._lock:
            self._depth -= 1
            if self._depth or not self._stream:
                return ""
            self._variable.value = self._replaced
            size = self._library.ftell(self._stream)
            self._library.rewind(self._stream)
            return self._memory.raw[: max(0, size)].decode("utf-8", "replace").rstrip("\0")


_collector = cache(_Collector)


@contextmanager
def collected(messages: dict[str, None]) -> Iterator[None]:
    """Add the lines that C libraries print on stderr to the keys of `messages`.

    Of calls at the same time in several threads, the last one to end gets the lines of all.
    """
    collector = _collector()
    collector.begin()
    try:
        yield
    finally:
        printed = collector.end()
        if printed and len(messages) < _SIZE // 64:
            messages.update(dict.fromkeys(line.strip() for line in printed.splitlines() if line.strip()))
