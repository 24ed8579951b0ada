"""A limit of what a graph may allocate.

The file of a model is small, and what it computes may be of any size. ONNX Runtime computes constants when a
session is made, and other tensors in a run. A few hundred bytes can describe a tensor of many gigabytes whose
size no inspection of the graph finds, as it may be computed too.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_STATM = "/proc/self/statm"
_GIB = 1 << 30
# What a session may take beside several copies of its weights, and a run for its tensors.
LOADING_BYTES = 2 * _GIB
RUNNING_BYTES = 8 * _GIB
_COPIES = 4
_SIGNS = ("bad_alloc", "bfc_arena", "Failed to allocate memory", "would require more than")


def ran_out(error: Exception) -> bool:
    """Whether an error of ONNX Runtime is one of memory; it has no type of its own for them."""
    return isinstance(error, MemoryError) or any(sign in str(error) for sign in _SIGNS)


def loading_bytes(path: Path) -> int:
    """What making a session of the model at `path` may allocate, for its size and that of external data."""
    try:
        sizes = [entry.stat().st_size for entry in os.scandir(path.parent) if entry.is_file()]
    except OSError:
        sizes = []
    return LOADING_BYTES + _COPIES * max([path.stat().st_size, *sizes])


_lock = threading.Lock()
_holders = 0
_before: tuple[int, int] | None = None


@contextmanager
def limited_memory(extra: int) -> Iterator[None]:
    """Let this process map at most `extra` bytes more than it has: what would need more fails at once.

    It is the limit of the address space (RLIMIT_AS) of Linux, and none where that does not exist. A lower
    limit that is set already stays. The limit is one of the whole process: while one thread holds it, others
    run under the same.
    """
    global _holders  # noqa: PLW0603 (how many threads are inside, whatever their order of leaving)
    with _lock:
        if _holders == 0:
            _limit(extra)
        _holders += 1
    try:
        yield
    finally:
        with _lock:
            _holders -= 1
            if _holders == 0:
                _restore()


def _limit(extra: int) -> None:
    global _before  # noqa: PLW0603 (the limit belongs to the process)
    try:
        import resource

        with open(_STATM, "rb", buffering=0) as stream:  # noqa: PTH123 (half of the time of Path)
            pages = int(stream.read(100).split()[0])
    except (ImportError, OSError):
        return
    before = resource.getrlimit(resource.RLIMIT_AS)
    limit = pages * resource.getpagesize() + extra
    if before[0] in (resource.RLIM_INFINITY, -1) or before[0] > limit:
        resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
        _before = before


def _restore() -> None:
    global _before  # noqa: PLW0603 (the limit belongs to the process)
    if _before is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, _before)
        _before = None
