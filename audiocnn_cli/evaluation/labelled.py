"""A folder with one sub-folder a class: the clips, their labels, groups and content.

It may be put together from parts of others, as a temporary folder of symbolic links.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

from audiocnn_cli.audio.sources import Source, find_audio
from audiocnn_cli.errors import FailureKind, InputError, UsageError

# 64 bits of SHA-256: collisions are unlikely among millions of recordings, and a model lists thousands.
_HASH_DIGITS = 16


@dataclass(frozen=True)
class LabelledClip:
    """One recording, the class that its folder is named after, and the hash of its content."""

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
        raise UsageError(f"{folder}: no such folder; give one with a sub-folder for each class")
    names = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if len(names) < 2:
        raise UsageError(
            f"{folder}: has {len(names)} sub-folders; two or more are needed, one for each class"
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


def labelled(source: Source | InputError, folder: Path) -> LabelledClip:
    """One of the `recordings` of `folder`, with its label and content hash.

    Raises:
        InputError: it can't be read.
    """
    if isinstance(source, InputError):
        raise source
    label = Path(source.path).relative_to(folder).parts[0]
    return LabelledClip(source, label, content_of(source))


def content_of(source: Source) -> str:
    """The content hash of a recording.

    Raises:
        InputError: it can't be read.
    """
    try:
        return content_hash(source.path)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        raise InputError(
            source.path,
            FailureKind.NOT_FOUND if missing else FailureKind.PERMISSION,
            "there is no such file" if missing else f"can't be read ({error.strerror or error})",
        ) from error


@dataclass(frozen=True, slots=True)
class Grouping:
    """Groups of clips that a split must not divide.

    `pattern` is a regular expression, searched in a clip's path relative to the data set; its capture groups
    (or the whole match, without any) are the clip's group. With `block` the match is a number, and `block`
    consecutive numbers form one group. Without a pattern each file is a group.
    """

    pattern: str | None = None
    block: int | None = None

    def __post_init__(self) -> None:
        try:
            re.compile(self.pattern or "")
        except re.error as error:
            raise UsageError(f"`group_by={self.pattern}` is no regular expression ({error})") from error
        if self.block is not None and (self.pattern is None or self.block < 1):
            raise UsageError("`group_block` needs `group_by`, and must be at least 1")

    def group(self, path: Path, *, folder: Path) -> str:
        """The name of the group of the clip at `path`.

        Raises:
            UsageError: the pattern is not in the path, or `block` is given and the match is no number.
        """
        name = path.relative_to(folder).as_posix()
        if self.pattern is None:
            return name
        match = re.search(self.pattern, name)
        if match is None:
            raise UsageError(f"`group_by={self.pattern}` matches nothing in {name}")
        key = "/".join(part or "" for part in match.groups()) or match[0]
        if self.block is None:
            return key
        if not key.isdecimal():
            raise UsageError(f"`group_block` needs a number, but `group_by` finds {key!r} in {name}")
        return str(int(key) // self.block)

    def __str__(self) -> str:
        """The grouping in the protocol of a card."""
        if self.pattern is None:
            return "by file"
        blocks = f" in blocks of {self.block} consecutive numbers" if self.block else ""
        return f"by group `{self.pattern}`{blocks}"


@contextmanager
def link_parts(root: Path, parts: Mapping[str, str]) -> Iterator[Path]:
    """A temporary folder with one sub-folder a class, made of links to files below `root`.

    `parts` maps a path in that folder (`speech` or `speech/digits`) to a folder below `root`, or to a
    pattern of the files that it contains.

    Raises:
        UsageError: a path or a pattern leads outside, or a pattern matches nothing.
    """
    with TemporaryDirectory(prefix="audiocnn-") as name:
        folder = Path(name)
        for path, pattern in parts.items():
            for given in map(Path, (path, pattern)):
                if given.is_absolute() or ".." in given.parts or not given.parts:
                    raise UsageError(f"{str(given)!r} leads outside of the data folder; use a path below it")
            found = sorted(root.glob(pattern))
            if not found:
                raise UsageError(f"{root}: nothing in it matches {pattern}")
            whole = found[0].is_dir()
            for part in found[:1] if whole else found:
                link = folder / path if whole else folder / path / part.name
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(part.resolve())
        yield folder


def parse_parts(arguments: Iterable[str]) -> dict[str, str]:
    """`PATH=PATTERN` arguments as a mapping.

    Raises:
        UsageError: one lacks the path or the pattern, or a path is given twice.
    """
    parts: dict[str, str] = {}
    for argument in arguments:
        path, _, pattern = argument.partition("=")
        if not path or not pattern or path in parts:
            raise UsageError(f"`part={argument}`: give each PATH=PATTERN once, such as speech/news=radio")
        parts[path] = pattern
    return parts
