"""A stable slice of the inputs, for array jobs that know only their number."""

import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.errors import InputError, UsageError

JOURNAL_NAMES = ".audiocnn-journal*.sqlite"


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `index` of `count`, from 1.

    An input belongs to a part by its path alone: others may come or go, its part stays.
    """

    index: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Self:
        """The shard that "I/N" names.

        Raises:
            UsageError: it names none.
        """
        first, _, second = text.partition("/")
        if first.isdecimal() and second.isdecimal() and 1 <= int(first) <= int(second):
            return cls(int(first), int(second))
        raise UsageError(f"--shard {text}: give I/N with I from 1 to N, as in 3/8")

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def of(self, inputs: Iterable[Source | InputError]) -> Iterator[Source | InputError]:
        """The inputs that belong to this part."""
        for item in inputs:
            if zlib.crc32(os.fsencode(item.path)) % self.count == self.index - 1:
                yield item


def journal_name(shard: Shard) -> str:
    """The name of the journal in a folder of results: each shard has its own."""
    part = f"-{shard.index}-of-{shard.count}" if shard.count > 1 else ""
    return JOURNAL_NAMES.replace("*", part)
