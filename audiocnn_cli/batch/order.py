"""Which input is next, where the order of the results does not matter."""

import heapq
import os
from collections.abc import Iterable, Iterator

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.errors import InputError

# Enough to see the long recordings of a folder, few enough to keep in memory and to be listed at once.
_AHEAD = 256


def largest_first(inputs: Iterable[Source | InputError]) -> Iterator[Source | InputError]:
    """The inputs, each time the largest of the next few hundred: all would wait for a long one at the end."""
    ahead: list[tuple[int, int, Source | InputError]] = []
    for number, item in enumerate(inputs):
        entry = (-size_of(item), number, item)
        if len(ahead) < _AHEAD:
            heapq.heappush(ahead, entry)
        else:
            yield heapq.heappushpop(ahead, entry)[2]
    while ahead:
        yield heapq.heappop(ahead)[2]


def size_of(item: Source | InputError) -> int:
    """Bytes; 0 for what is not there, or on another machine."""
    try:
        return os.stat(item.path).st_size  # noqa: PTH116 (a third of the time of Path.stat)
    except (OSError, ValueError):
        return 0
