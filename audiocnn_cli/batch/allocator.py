"""Memory that the C library keeps between two files, where Dask has told it to keep none."""

import ctypes
import os
from contextlib import suppress

# What Dask's nannies set for their workers: free memory beyond so many bytes goes back to the system at once.
# Once it is set, glibc also stops to learn which blocks are asked for again and again.
_VARIABLE = "MALLOC_TRIM_THRESHOLD_"
# From glibc's malloc.h, and mallopt(3) for the default.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_DEFAULT_MMAP_THRESHOLD = 128 * 2**10
# The tensors of a file of some minutes, which the system would have to hand out again for each file.
_KEPT = 256 * 2**20
_LARGEST_KEPT_BLOCK = 32 * 2**20


def keep_memory() -> None:
    """Keep what is free for the next file, in this process, if it was told otherwise."""
    if _VARIABLE in os.environ:
        _set(trim_threshold=_KEPT, mmap_threshold=_LARGEST_KEPT_BLOCK)


def as_it_was() -> None:
    """Keep no more than this process was told to."""
    with suppress(KeyError, ValueError):
        told = int(os.environ[_VARIABLE])
        _set(trim_threshold=told, mmap_threshold=_DEFAULT_MMAP_THRESHOLD)


def _set(*, trim_threshold: int, mmap_threshold: int) -> None:
    """Bytes that may be free at the end of the heap, and from which on a block is the system's own."""
    with suppress(AttributeError, OSError, TypeError):  # another C library than glibc
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_TRIM_THRESHOLD, trim_threshold)
        mallopt(_M_MMAP_THRESHOLD, mmap_threshold)
