"""A folder with one sub-folder a class: the clips, their labels, groups and content."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from audiocnn_cli.audio.sources import Source, find_audio
from audiocnn_cli.errors import FailureKind, InputError, UsageError

# 64 bits of SHA-256: enough to tell a few million recordings apart, short enough to list in a model.
_HASH_DIGITS = 16


@dataclass(frozen=True)
class LabelledClip:
    """One recording, the class that its folder says it is, and its content's hash."""

    source: Source
    label: str
    content: str


def content_hash(path: str) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of a file's bytes."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:_HASH_DIGITS]


def class_names(folder: Path) -> tuple[str, ...]:
    """The names of the sub-folders, sorted: the labels of the data set.

    Raises:
        UsageError: the folder is not there, has fewer than two sub-folders, or two that differ in case only.
    """
    if not folder.is_dir():
        raise UsageError(
            f"{folder}: no such folder; give one that holds a sub-folder for each class"
        )
    names = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if len(names) < 2:
        raise UsageError(
            f"{folder}: holds {len(names)} sub-folders; it needs two or more, one for each class"
        )
    for name, other in combinations(names, 2):
        if name.casefold() == other.casefold():
            raise UsageError(
                f"{folder}: {name} and {other} differ in upper and lower case only; join them or rename one"
            )
    return tuple(names)


def recordings(folder: Path) -> Iterator[Source | InputError]:
    """The recordings below `folder`, class by class in name order; what can't be read is an error."""
    for label in class_names(folder):
        yield from find_audio([str(folder / label)])


def labelled(source: Source, folder: Path) -> LabelledClip:
    """The clip that one of the `recordings` of `folder` is.

    Raises:
        InputError: it can't be read.
    """
    label = Path(source.path).relative_to(folder).parts[0]
    try:
        return LabelledClip(source, label, content_hash(source.path))
    except OSError as error:
        raise InputError(
            source.path, FailureKind.PERMISSION, f"can't be read ({error.strerror or error})"
        ) from error


def labelled_clips(folder: Path) -> Iterator[LabelledClip | InputError]:
    """The clips below `folder`, class by class in name order; what can't be read is an error."""
    for item in recordings(folder):
        try:
            yield item if isinstance(item, InputError) else labelled(item, folder)
        except InputError as error:
            yield error


@dataclass(frozen=True, slots=True)
class Grouping:
    """What must stay on one side of a split.

    `pattern` is searched in a clip's path relative to the data set; what its groups match (or the whole
    match, without groups) names the clip's group. With `block` the match is a number, and so many
    consecutive numbers make one group. Without a pattern each file is a group.
    """

    pattern: str | None = None
    block: int | None = None

    def __post_init__(self) -> None:
        try:
            re.compile(self.pattern or "")
        except re.error as error:
            raise UsageError(
                f"--group-by {self.pattern!r} is no regular expression ({error})"
            ) from error
        if self.block is not None and (self.pattern is None or self.block < 1):
            raise UsageError("--group-block needs --group-by, and must be at least 1")

    def group(self, path: Path, *, folder: Path) -> str:
        """The name of the group that the clip at `path` belongs to.

        Raises:
            UsageError: the pattern is not in the path, or a block is asked for and it matches no number.
        """
        name = path.relative_to(folder).as_posix()
        if self.pattern is None:
            return name
        match = re.search(self.pattern, name)
        if match is None:
            raise UsageError(f"--group-by {self.pattern!r} matches nothing in {name}")
        key = "/".join(part or "" for part in match.groups()) or match[0]
        if self.block is None:
            return key
        if not key.isdecimal():
            raise UsageError(
                f"--group-block needs a number, but --group-by finds {key!r} in {name}"
            )
        return str(int(key) // self.block)

    def __str__(self) -> str:
        """For the protocol on a card."""
        if self.pattern is None:
            return "by file"
        blocks = f" in blocks of {self.block} consecutive numbers" if self.block else ""
        return f"by group `{self.pattern}`{blocks}"
