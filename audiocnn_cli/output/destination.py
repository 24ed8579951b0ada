"""The destination and the format of a result, as --json, --jsonl, --csv, -o, -q and -v choose them."""

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from audiocnn_cli.audio.sources import AUDIO_SUFFIXES
from audiocnn_cli.errors import UsageError
from audiocnn_cli.files import atomic_writer, check_folder, check_writable
from audiocnn_cli.output.formats import Format, format_of, suffixes_of

__all__ = ["Destination", "Format", "choose_destination"]

TEXT = (Format.JSON, Format.JSONL, Format.CSV, Format.TABLE)


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
        return self._prints_table and (self.quiet or (self.in_files and not self.verbose))

    @property
    def one_line_each(self) -> bool:
        """Whether a line for each result is printed instead of a table."""
        return self._prints_table and self.in_files and self.verbose and not self.quiet

    @property
    def _prints_table(self) -> bool:
        return self.format is Format.TABLE and self.path is None

    def beside_files(self) -> "Destination":
        """The same destination for a command whose results are written to other files."""
        return replace(self, in_files=True)

    def open(self) -> AbstractContextManager[IO[str]]:
        """The stream to write to; a file appears only when the block ends without an error."""
        if self.silent:
            return Path(os.devnull).open("w", encoding="utf-8")
        if self.path is None:
            return nullcontext(sys.stdout)
        return atomic_writer(self.path, "w", force=self.force)


def one_format(flags: Mapping[Format, bool | None]) -> Format | None:
    """The format whose flag is given; None where none is.

    Raises:
        UsageError: two are given.
    """
    chosen = [format for format, given in flags.items() if given]
    if len(chosen) > 1:
        raise UsageError(f"give one of {' and '.join(f'`{each}`' for each in chosen)}, not both")
    return chosen[0] if chosen else None


def choose_destination(
    *, json: bool, jsonl: bool, csv: bool, markdown: bool | None = None, output: Path | None, force: bool
) -> Destination:
    """The destination that the common options choose: a format by its flag, or by the suffix of the file.

    A command without Markdown leaves `markdown` out.

    Raises:
        UsageError: two formats at once, or as `text_file`.
        OutputError: the file can't be written.
    """
    given = one_format({Format.JSON: json, Format.JSONL: jsonl, Format.CSV: csv, Format.MARKDOWN: markdown})
    if output is None:
        return Destination(given or Format.TABLE)
    return text_file(output, given, force=force, markdown=markdown is not None)


def text_file(
    path: Path, given: Format | None, *, force: bool, others: Sequence[Format] = (), markdown: bool = False
) -> Destination:
    """The file of a report, in the `given` format, or in that which its suffix names.

    `others` are formats that the command writes too, for messages; `markdown` is whether it has Markdown.

    Raises:
        UsageError: a suffix that is that of no format or of another one, or the name of a recording.
        OutputError: the file can't be written.
    """
    require_no_recording(path)
    formats = (*TEXT, Format.MARKDOWN) if markdown else TEXT
    by_suffix = format_of(path, formats)
    format = given or by_suffix
    if format is None:
        raise UsageError(
            f"`output={path}`: the suffix is that of no format; use one of"
            f" {', '.join(suffixes_of([*others, *formats]))} or add `json`, `jsonl` or `csv`"
        )
    if by_suffix is not Format.TABLE:  # a .txt file may hold any text
        require_suffix(path, by_suffix, format, f"{format}")
    check_writable(path, force=force)
    return Destination(format, path, force)


def require_suffix(path: Path, by_suffix: Format | None, format: Format | None, option: str) -> None:
    """Refuse a `format`, given by `option`, that is not that of the suffix of `path`.

    Raises:
        UsageError: it is another one.
    """
    if None not in (format, by_suffix) and format is not by_suffix:
        raise UsageError(
            f"`output={path}`: the suffix is that of {by_suffix}, but `{option}` is given; leave out one"
        )


def names_folder(output: str) -> bool:
    """Whether -o names a folder: one that exists, or a name that ends with `/`; it need not exist yet.

    Raises:
        UsageError: it is the URL of a single file.
        OutputError: no files can be written in it.
    """
    remote = "://" in output
    if remote and not output.endswith("/"):
        raise UsageError(f"`output={output}`: only a folder can be a URL; end it with /")
    folder = output.endswith("/") or Path(output).is_dir()
    if folder and not remote:
        check_folder(Path(output))
    return folder


def require_no_recording(output: Path) -> None:
    """Refuse an output whose name is that of a recording, which it would replace.

    Raises:
        UsageError: `output` has the suffix of an audio file.
    """
    if output.suffix.lower() in AUDIO_SUFFIXES:
        raise UsageError(f"`output={output}` is the name of a recording; recordings are not overwritten")
