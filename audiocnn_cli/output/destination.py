"""Where a result goes, and in which format: one answer from --json, --jsonl, --csv and -o."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from audiocnn_cli.audio.sources import AUDIO_SUFFIXES
from audiocnn_cli.errors import UsageError
from audiocnn_cli.files import atomic_writer, check_writable
from audiocnn_cli.output.formats import Format, format_of, suffixes_of

__all__ = ["Destination", "Format", "choose_destination", "names_folder", "require_no_recording"]

_TEXT = (Format.JSON, Format.JSONL, Format.CSV, Format.TABLE)


@dataclass(frozen=True, slots=True)
class Destination:
    """A format, and a file to write it to (`path` None: stdout)."""

    format: Format
    path: Path | None = None
    force: bool = False

    @contextmanager
    def open(self) -> Iterator[IO[str]]:
        """The stream to write to; a file appears only when the block ends without an error."""
        if self.path is None:
            yield sys.stdout
            return
        with atomic_writer(self.path, "w", force=self.force) as stream:
            yield stream


def choose_destination(
    *,
    json: bool,
    jsonl: bool,
    csv: bool,
    markdown: bool | None = None,
    output: Path | None,
    force: bool,
    other_endings: Sequence[str] = (),
) -> Destination:
    """The destination that the common options mean: a format by its flag, or by the ending of the file.

    A command without Markdown leaves `markdown` out; `other_endings` are those that it writes itself.

    Raises:
        UsageError: two formats at once, an ending that says none, or the name of a recording.
        OutputError: the file can't be written.
    """
    flags = {
        Format.JSON: json,
        Format.JSONL: jsonl,
        Format.CSV: csv,
        Format.MARKDOWN: markdown,
    }
    asked = [format for format, given in flags.items() if given]
    formats = _TEXT if markdown is None else (*_TEXT, Format.MARKDOWN)
    if len(asked) > 1:
        raise UsageError(f"give one of {' and '.join(f'`{each}`' for each in asked)}, not both")
    if output is None:
        return Destination(asked[0] if asked else Format.TABLE)
    require_no_recording(output)
    by_ending = format_of(output, formats)
    format = asked[0] if asked else by_ending
    if format is None:
        raise UsageError(
            f"`output={output}`: the suffix is that of no format; use one of"
            f" {', '.join([*other_endings, *suffixes_of(formats)])} or add `json`, `jsonl` or `csv`"
        )
    # Any text may be in a .txt file.
    if by_ending not in (None, Format.TABLE, format):
        raise UsageError(
            f"`output={output}`: the suffix is that of {by_ending}, but `{format}` is given; leave out one"
        )
    check_writable(output, force=force)
    return Destination(format, output, force)


def names_folder(output: str) -> bool:
    """Whether -o names a folder: it is one, or ends with `/`.

    Raises:
        UsageError: it is a single file elsewhere.
    """
    if output.endswith("/"):
        return True
    if "://" in output:
        raise UsageError(
            f"`output={output}`: on other machines only folders are written; end it with /"
        )
    return Path(output).is_dir()


def require_no_recording(output: Path) -> None:
    """Keep a slip of the keyboard from writing over a recording.

    Raises:
        UsageError: `output` is named as recordings are.
    """
    if output.suffix.lower() in AUDIO_SUFFIXES:
        raise UsageError(f"`output={output}` is the name of a recording; no recording is replaced")
