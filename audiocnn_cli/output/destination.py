"""The destination and the format of results, from --json, --jsonl, --csv and -o."""

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
    other_suffixes: Sequence[str] = (),
) -> Destination:
    """The destination of the common options: a format by its flag, or by the suffix of the file.

    A command without Markdown leaves `markdown` out; `other_suffixes` are those that it handles itself.

    Raises:
        UsageError: two formats at once, a suffix that is that of none, or the name of a recording.
        OutputError: the file can't be written.
    """
    flags = {
        Format.JSON: json,
        Format.JSONL: jsonl,
        Format.CSV: csv,
        Format.MARKDOWN: markdown,
    }
    given_formats = [format for format, given in flags.items() if given]
    formats = _TEXT if markdown is None else (*_TEXT, Format.MARKDOWN)
    if len(given_formats) > 1:
        raise UsageError(
            f"give one of {' and '.join(f'`{each}`' for each in given_formats)}, not both"
        )
    if output is None:
        return Destination(given_formats[0] if given_formats else Format.TABLE)
    require_no_recording(output)
    by_suffix = format_of(output, formats)
    format = given_formats[0] if given_formats else by_suffix
    if format is None:
        raise UsageError(
            f"`output={output}`: the suffix is that of no format; use one of"
            f" {', '.join([*other_suffixes, *suffixes_of(formats)])} or add `json`, `jsonl` or `csv`"
        )
    # A .txt file may hold any format.
    if by_suffix not in (None, Format.TABLE, format):
        raise UsageError(
            f"`output={output}`: the suffix is that of {by_suffix}, but `{format}` is given; leave out one"
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
    """Refuse to replace a recording, which is a typing error.

    Raises:
        UsageError: `output` is named as recordings are.
    """
    if output.suffix.lower() in AUDIO_SUFFIXES:
        raise UsageError(f"`output={output}` is the name of a recording; no recording is replaced")
