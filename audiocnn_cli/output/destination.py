"""The destination and the format of a result, as --json, --jsonl, --csv, -o, -q and -v choose them."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
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
    """A format, and a file to write it to (`path` None: stdout).

    `quiet` prints no table. `in_files` states that the results themselves are written to other files: then
    one line a result is printed with `verbose`, else nothing. JSON, JSONL, CSV and Markdown, which are only
    printed on request, and files are not affected.
    """

    format: Format
    path: Path | None = None
    force: bool = False
    quiet: bool = False
    verbose: bool = False
    in_files: bool = False

    @property
    def silent(self) -> bool:
        """Whether nothing is written, so that tables and pictures need not be made."""
        printed = self.format is Format.TABLE and self.path is None
        return printed and (self.quiet or (self.in_files and not self.verbose))

    @property
    def one_line_each(self) -> bool:
        """Whether a line for each result is printed instead of a table."""
        printed = self.format is Format.TABLE and self.path is None
        return printed and self.in_files and self.verbose and not self.quiet

    def beside_files(self) -> "Destination":
        """The same destination for a command whose results are written to other files."""
        return replace(self, in_files=True)

    @contextmanager
    def open(self) -> Iterator[IO[str]]:
        """The stream to write to; a file appears only when the block ends without an error."""
        if self.silent:
            with Path(os.devnull).open("w", encoding="utf-8") as nothing:
                yield nothing
        elif self.path is None:
            yield sys.stdout
        else:
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
    quiet: bool = False,
    verbose: bool = False,
    other_suffixes: Sequence[str] = (),
) -> Destination:
    """The destination that the common options choose: a format by its flag, or by the suffix of the file.

    A command without Markdown leaves `markdown` out; `other_suffixes` are those that it writes itself.

    Raises:
        UsageError: two formats at once, a suffix that is not of any format, or the name of a recording.
        OutputError: the file can't be written.
    """
    flags = {Format.JSON: json, Format.JSONL: jsonl, Format.CSV: csv, Format.MARKDOWN: markdown}
    chosen = [format for format, given in flags.items() if given]
    formats = _TEXT if markdown is None else (*_TEXT, Format.MARKDOWN)
    if len(chosen) > 1:
        raise UsageError(f"give one of {' and '.join(f'`{each}`' for each in chosen)}, not both")
    if output is None:
        printed = chosen[0] if chosen else Format.TABLE
        return Destination(printed, quiet=quiet, verbose=verbose)
    require_no_recording(output)
    by_suffix = format_of(output, formats)
    format = chosen[0] if chosen else by_suffix
    if format is None:
        raise UsageError(
            f"`output={output}`: the suffix is that of no format; use one of"
            f" {', '.join([*other_suffixes, *suffixes_of(formats)])} or add `json`, `jsonl` or `csv`"
        )
    # A .txt file may hold any text.
    if by_suffix not in (None, Format.TABLE, format):
        raise UsageError(
            f"`output={output}`: the suffix is that of {by_suffix}, but `{format}` is given; leave out one"
        )
    check_writable(output, force=force)
    return Destination(format, output, force, quiet=quiet, verbose=verbose)


def names_folder(output: str) -> bool:
    """Whether -o names a folder: one that exists, or a name that ends with `/`.

    Raises:
        UsageError: it is the URL of a single file.
    """
    if output.endswith("/"):
        return True
    if "://" in output:
        raise UsageError(f"`output={output}`: only a folder can be a URL; end it with /")
    return Path(output).is_dir()


def require_no_recording(output: Path) -> None:
    """Refuse an output whose name is that of a recording, which it would replace.

    Raises:
        UsageError: `output` has the suffix of an audio file.
    """
    if output.suffix.lower() in AUDIO_SUFFIXES:
        raise UsageError(f"`output={output}` is the name of a recording; recordings are not overwritten")
