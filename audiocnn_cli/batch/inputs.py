"""The inputs of a batch: their identity and order, shards of them, and how many a worker gets at once."""

import heapq
import math
import os
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePath
from typing import NamedTuple, Self

from audiocnn_cli.audio.sources import AUDIO_SUFFIXES, STDIN, VIDEO_SUFFIXES, Source, is_remote
from audiocnn_cli.errors import InputError, UsageError

JOURNAL_NAMES = ".audiocnn-journal*.sqlite"
Inputs = Iterable[Source | InputError]

# The longest recordings of a folder are likely among so many, and they fit into memory.
_LOOK_AHEAD = 256


class Fingerprint(NamedTuple):
    """The state of an input, to detect changes: size, time, and the SHA-256 of its content if computed."""

    size: int | None = None
    mtime_ns: int | None = None
    content: str | None = None

    def same(self, other: "Fingerprint") -> bool:
        """Whether both are of the same content: by hash if both have one, else by size and time."""
        if self.content is not None and other.content is not None:
            return self.content == other.content
        return (self.size, self.mtime_ns) == (other.size, other.mtime_ns)


def fingerprint(path: str, *, by_content: bool) -> Fingerprint:
    """The fingerprint of an input; all None where it has no size or can't be read."""
    if is_remote(path):
        from audiocnn_cli.audio.remote import version_of

        size, content = version_of(path)
        return Fingerprint(size, None, content)
    try:
        status = os.stat(path)  # noqa: PTH116 (a third of the time of Path.stat)
        content = None
        if by_content:
            import hashlib

            with Path(path).open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, ValueError):  # ValueError: a name with a null character
        return Fingerprint()
    return Fingerprint(status.st_size, status.st_mtime_ns, content)


def absolute(path: str) -> str:
    """The same path for `x`, `./x` and `/folder/x`; URLs and standard input are returned as they are."""
    if path == STDIN or is_remote(path):
        return path
    return os.path.abspath(path)  # noqa: PTH100 (keeps symbolic links and names that are not UTF-8)


def with_absolute_path(item: Source | InputError) -> Source | InputError:
    """An input by its absolute path, for workers in another working directory."""
    return Source(absolute(item.path), item.name) if isinstance(item, Source) else item


def largest_first(inputs: Inputs) -> Iterator[Source | InputError]:
    """The inputs, each time the largest of the next 256: a long one at the end would run alone."""
    ahead: list[tuple[int, int, Source | InputError]] = []
    for number, item in enumerate(inputs):
        entry = (-size_of(item), number, item)
        if len(ahead) < _LOOK_AHEAD:
            heapq.heappush(ahead, entry)
        else:
            yield heapq.heappushpop(ahead, entry)[2]
    while ahead:
        yield heapq.heappop(ahead)[2]


def named_apart(inputs: Callable[[], Inputs], *, again: bool) -> Iterator[Source | InputError]:
    """The inputs, with another name for those whose results would have the same: `a.wav` and `a.mp3`.

    A result is named after the name of its input without the suffix; the suffix of these is there twice, so
    that one stays. The inputs are listed a second time only where a recording has such a neighbour; with
    `again` false they can't be, and each neighbour counts as an input.
    """
    twins_in = lru_cache(maxsize=8)(_twins_in)  # inputs come folder by folder
    apart: set[str] | None = None
    for item in inputs():
        if isinstance(item, Source) and _has_twin(item.path, twins_in):
            if again and apart is None:
                apart = _shared_stems(each for each in inputs() if _has_twin(each.path, twins_in))
            if apart is None or _stem(item) in apart:
                yield Source(item.path, item.name + PurePath(item.name).suffix)
                continue
        yield item


def _shared_stems(inputs: Inputs) -> set[str]:
    """The names without suffix that several of the inputs share."""
    paths: dict[str, set[str]] = {}
    for item in inputs:
        if isinstance(item, Source):
            paths.setdefault(_stem(item), set()).add(absolute(item.path))
    return {stem for stem, several in paths.items() if len(several) > 1}


def _stem(source: Source) -> str:
    return os.path.splitext(source.name)[0]  # noqa: PTH122 (a tenth of the time)


def _has_twin(path: str, twins_in: Callable[[str], frozenset[str]]) -> bool:
    """Whether another recording in the folder of `path` has the same name without its suffix."""
    folder, name = os.path.split(path)
    return os.path.splitext(name)[0] in twins_in(folder)  # noqa: PTH122 (a tenth of the time)


def _twins_in(folder: str) -> frozenset[str]:
    """The names without suffix that several files of audio in a local folder have."""
    try:
        parts = [os.path.splitext(name) for name in os.listdir(folder or ".")]  # noqa: PTH122, PTH208
    except OSError:
        return frozenset()
    counts = Counter(stem for stem, suffix in parts if suffix.lower() in AUDIO_SUFFIXES | VIDEO_SUFFIXES)
    return frozenset(stem for stem, count in counts.items() if count > 1)


def size_of(item: Source | InputError) -> int:
    """The size in bytes; 0 for an input that does not exist, or is remote."""
    try:
        return os.stat(item.path).st_size  # noqa: PTH116 (a third of the time of Path.stat)
    except (OSError, ValueError):
        return 0


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `index` of `count` of the inputs, from 1.

    The part of an input depends on its path alone: it stays the same when others are added or removed.
    """

    index: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Self:
        """The shard that "I/N" names.

        Raises:
            UsageError: the text is not of that form, or I is not from 1 to N.
        """
        first, _, second = text.partition("/")
        if first.isdecimal() and second.isdecimal() and 1 <= int(first) <= int(second):
            return cls(int(first), int(second))
        raise UsageError(f"`shard` {text}: give I/N with I from 1 to N, as in 3/8")

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @property
    def journal_name(self) -> str:
        """The name of its journal in a folder of results: each shard has one of its own."""
        part = f"-{self.index}-of-{self.count}" if self.count > 1 else ""
        return JOURNAL_NAMES.replace("*", part)

    def of(self, inputs: Inputs) -> Iterator[Source | InputError]:
        """The inputs that belong to this part."""
        place = self.index - 1
        return (item for item in inputs if zlib.crc32(os.fsencode(item.path)) % self.count == place)


@dataclass(frozen=True, slots=True)
class Pending:
    """A submitted input and its size in bytes, 0 where that is unknown."""

    number: int
    source: Source
    size: int

    @classmethod
    def of(cls, number: int, source: Source) -> "Pending":
        """The input with the size that it has now."""
        return cls(number, source, size_of(source))


class Bundler:
    """Decides how many inputs a worker is given at once, from how long the last ones took.

    Sending an input and waking up for its result takes as long as the work on a short clip. So quick inputs
    are sent ahead: as many as are expected to take `limit_s` seconds together, `most` of them at most. The
    expected time grows with the size of the input; the number starts at 1, doubles with each result that
    leaves room for it, and is 1 again after a slow one.
    """

    def __init__(self, *, limit_s: float, most: int) -> None:
        self._limit_s = limit_s
        self._most = most
        self._seconds = math.inf
        self._size = 0
        self.count = 1

    def learn(self, seconds: float, size: int) -> None:
        """Note that an input of `size` bytes took so many seconds."""
        self._seconds, self._size = seconds, size
        quick = 2 * seconds <= self._limit_s
        self.count = min(self._most, 2 * self.count) if quick else 1

    def expected_s(self, inputs: Collection[Pending]) -> float:
        """The seconds that the inputs will take one after the other."""
        return sum(self._seconds * max(1.0, each.size / max(1, self._size)) for each in inputs)

    def has_room(self, bundle: Collection[Pending], added: Pending) -> bool:
        """Whether `added` can be sent together with the inputs of `bundle`."""
        if not bundle:
            return True
        return len(bundle) < self.count and self.expected_s([*bundle, added]) <= self._limit_s
