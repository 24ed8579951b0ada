"""Command-line arguments to audio files: files, folders, glob patterns, URLs, `-` and `@list.txt`."""

import glob
import io
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import IO

from audiocnn_cli.errors import FailureKind, InputError, UsageError

STDIN = "-"
# Sixteen times as long as a path may be on Linux.
_LONGEST_LINE = 1 << 16

# Suffixes of what libsndfile reads, and of what needs PyAV (the [av] extra).
SNDFILE_SUFFIXES = frozenset(
    {".wav", ".wave", ".bwf", ".rf64", ".w64", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".mp2"}
    | {".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".sf", ".ircam", ".paf", ".voc", ".nist"}
    | {".sph", ".mat", ".pvf", ".xi", ".htk", ".sds", ".avr", ".wve", ".svx", ".8svx", ".mpc2k"}
)
AV_AUDIO_SUFFIXES = frozenset(
    {".m4a", ".m4b", ".aac", ".wma", ".ac3", ".amr", ".ape", ".wv", ".tta", ".mka", ".weba", ".webm"}
)
VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".avi", ".wmv", ".mpg", ".mpeg", ".3gp", ".flv"})
AV_SUFFIXES = AV_AUDIO_SUFFIXES | VIDEO_SUFFIXES
# Files that a folder is searched for; a video is read when it is named.
AUDIO_SUFFIXES = SNDFILE_SUFFIXES | AV_AUDIO_SUFFIXES


@dataclass(frozen=True)
class Source:
    """One input as the user named it; `path` is `-` for standard input.

    Results are named after `name`: the path below the folder that was searched, or the name of the file.
    """

    path: str
    name: str = ""

    def __post_init__(self) -> None:
        if not self.name:
            own = os.path.basename(self.path.rstrip("/")) or "input"  # noqa: PTH119 (of URLs too)
            object.__setattr__(self, "name", "stdin" if self.path == STDIN else own)


def is_remote(path: str) -> bool:
    """Whether `path` is a URL, and no file of that name is here."""
    return "://" in path and not os.path.lexists(path)


def find_audio(arguments: Iterable[str]) -> Iterator[Source | InputError]:
    """Yield the inputs behind command-line arguments, lazily and in a stable order.

    Folders are searched recursively in name order; a name that exists is taken literally, also when it
    looks like a glob pattern; the lines of a list are names, patterns or `-`, but no lists. What can't be
    found is yielded as an `InputError`, not raised, so that the other inputs go on.
    """
    for argument in arguments:
        if argument.startswith("@") and not os.path.lexists(argument):
            for line in _lines(argument[1:]):
                yield from _expand(line)
        else:
            yield from _expand(argument)


def _expand(argument: str) -> Iterator[Source | InputError]:
    if argument == STDIN:
        yield Source(STDIN)
    elif os.path.isdir(argument):  # noqa: PTH112 (Path.is_dir raises for a name too long)
        nothing = InputError(argument, FailureKind.NOT_FOUND, "this folder holds no audio files")
        yield from _or_else(nothing, _walk(argument, below="", seen=set()))
    elif is_remote(argument):
        yield from _expand_remote(argument)
    elif not os.path.lexists(argument) and glob.has_magic(argument):
        matches = sorted(glob.iglob(argument, recursive=True))  # noqa: PTH207 (keeps the name as typed)
        nothing = InputError(argument, FailureKind.NOT_FOUND, "no file matches this pattern")
        yield from _or_else(nothing, chain.from_iterable(map(_expand, matches)))
    else:
        yield Source(argument)


def _expand_remote(url: str) -> Iterator[Source | InputError]:
    from audiocnn_cli.audio.remote import list_remote, names_one

    pattern = "*" in url or "[" in url
    if names_one(url) or (_is_audio(url) and not pattern):
        yield Source(url)
        return
    try:
        found = (Source(*each) for each in list_remote(url) if _is_audio(each[0]))
        if pattern or url.endswith("/"):
            yield from _or_else(InputError(url, FailureKind.NOT_FOUND, "there are no audio files"), found)
        else:  # or a recording without a known suffix
            yield from _or_else(Source(url), found)
    except InputError as error:
        yield error


def _is_audio(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in AUDIO_SUFFIXES  # noqa: PTH122 (a tenth of the time)


def _or_else(
    otherwise: Source | InputError, found: Iterator[Source | InputError]
) -> Iterator[Source | InputError]:
    """All that is found, or `otherwise` where that is nothing."""
    yield next(found, otherwise)
    yield from found


def _walk(folder: str, *, below: str, seen: set[tuple[int, int]]) -> Iterator[Source | InputError]:
    """Audio files below `folder`; a folder reached twice through links is read once."""
    try:
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in seen:
            return
        seen.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as entries:
            # An entry weighs as much as ten names.
            names = sorted((entry.name, _is_folder(entry)) for entry in entries)
    except OSError as error:
        yield InputError(folder, FailureKind.PERMISSION, f"can't list this folder ({error.strerror})")
        return
    for name, is_folder in names:
        path = os.path.join(folder, name)  # noqa: PTH118 (keeps the folder as typed)
        if is_folder:
            yield from _walk(path, below=f"{below}{name}{os.sep}", seen=seen)
        elif _is_audio(name):
            yield Source(path, below + name)


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    """Whether it is a folder; only links need a system call."""
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _lines(list_path: str) -> Iterator[str]:
    """The lines of a list as they are read, without empty ones; the list may be endless.

    Raises:
        UsageError: it can't be read, or a line is too long for a path.
    """
    advice = "give a text file with one path a line"
    try:
        with _open_list(list_path) as stream:
            for number in count(1):
                line = stream.readline(_LONGEST_LINE + 1)
                if len(line) > _LONGEST_LINE:
                    message = f"line {number} has more than {_LONGEST_LINE} bytes"
                    raise UsageError(f"@{list_path}: {message}; {advice}")
                if not line:
                    return
                # Only these end a line: a name may hold a form feed, or what else splitlines() splits at.
                text = line.decode("utf-8", "surrogateescape").removesuffix("\n").removesuffix("\r")
                if text.strip():
                    yield text
    except OSError as error:
        message = f"@{list_path}: can't read this list of paths ({error.strerror}); {advice}"
        raise UsageError(message) from error


def _open_list(list_path: str) -> AbstractContextManager[IO[bytes]]:
    if list_path == STDIN:  # stays open
        return nullcontext(sys.stdin.buffer if sys.stdin else io.BytesIO())
    return Path(list_path).open("rb")
