"""Memory that the C library keeps between two files, where Dask has told it to keep none."""

import ctypes
import os
from contextlib import suppress

# What Dask's nannies set for their workers: free memory beyond so many bytes goes back to the system at once.
_VARIABLE = "MALLOC_TRIM_THRESHOLD_"
# From glibc's malloc.h: the option of `mallopt` of the same meaning.
_M_TRIM_THRESHOLD = -1
# The tensors of a file of some minutes; to ask the system for them again each time takes a fifth of the work.
_KEPT = 256 * 2**20


def keep_memory() -> None:
    """Keep what is free for the next file, in this process, if it was told otherwise."""
    _set_trim_threshold(_KEPT)


def as_it_was() -> None:
    """Keep no more than this process was told to."""
    with suppress(KeyError, ValueError):
        _set_trim_threshold(int(os.environ[_VARIABLE]))


def _set_trim_threshold(size: int) -> None:
    if _VARIABLE in os.environ:
        with suppress(AttributeError, OSError, TypeError):  # another C library than glibc
            ctypes.CDLL(None).mallopt(_M_TRIM_THRESHOLD, size)
