"""Where `audiocnn embed` writes: reports to stdout and text files, vectors to files and data sets."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from audiocnn_cli.batch.outcome import Counts, Failure
from audiocnn_cli.datasets.dataset import GROUP_BYTES, Dataset, PartOptions
from audiocnn_cli.datasets.embedding_rows import EmbeddingRows, embedding_table, info_document
from audiocnn_cli.datasets.result_folder import ResultFolder
from audiocnn_cli.embeddings.clip import ClipEmbeddings
from audiocnn_cli.errors import OutputError, UsageError
from audiocnn_cli.features.spool import Spool
from audiocnn_cli.files import atomic_writer, check_writable
from audiocnn_cli.output.destination import (
    TEXT,
    Destination,
    Format,
    names_folder,
    one_format,
    require_no_recording,
    require_suffix,
    text_file,
)
from audiocnn_cli.output.formats import EMBEDDING_FORMATS, format_of
from audiocnn_cli.output.results import parquet_file, write_outcomes, write_result
from audiocnn_cli.output.views.embed import EmbedView

_BINARY = (Format.PARQUET, Format.NPZ)


@dataclass(frozen=True, slots=True)
class EmbeddingOutput:
    """The destination of the report, and beside it one for vectors.

    Args:
        report: table, JSON, JSONL or CSV.
        folder: a file for each recording, written by the workers.
        file: one binary file of all vectors.
        dataset: a Parquet data set.
    """

    report: Destination
    folder: tuple[ResultFolder, Format] | None = None
    file: tuple[Path, Format] | None = None
    dataset: Dataset[ClipEmbeddings] | None = None

    @property
    def in_order(self) -> bool:
        """Whether outcomes must come in the order of the inputs."""
        return self.report.format is not Format.JSONL or self.file is not None

    @property
    def view(self) -> EmbedView:
        """The view that names where the vectors are."""
        if self.dataset is not None:
            return EmbedView(self.dataset.location)
        if self.folder is not None:
            return EmbedView(self.folder[0].location)
        return EmbedView(str(self.file[0]) if self.file else None)

    def write(self, outcomes: Iterable[ClipEmbeddings | Failure]) -> Counts:
        """Write all outcomes."""
        if self.file is None:
            return write_outcomes(outcomes, self.view, self.report)
        path, format = self.file
        with vector_file(path, format, force=self.report.force) as write:
            return write_outcomes(_with_vectors(outcomes, write), self.view, self.report)


def _with_vectors(
    outcomes: Iterable[ClipEmbeddings | Failure], write: Callable[[ClipEmbeddings], None]
) -> Iterator[ClipEmbeddings | Failure]:
    """The outcomes; the vectors of each are written before."""
    for outcome in outcomes:
        if isinstance(outcome, ClipEmbeddings):
            write(outcome)
        yield outcome


@contextmanager
def vector_file(path: Path, format: Format, *, force: bool) -> Iterator[Callable[[ClipEmbeddings], None]]:
    """A function that takes clips for `path`; the file appears when the block ends without an error.

    All clips are of one model.

    A Parquet file has the rows of CSV, in groups of 8 MiB. An npz file has `data` (segments,
    dimensions), `file_index` (of each segment in `paths`), `segment`, `starts_s`, `ends_s`, `silent`, `paths`
    and `meta`, a JSON document.

    Raises:
        OutputError: it can't be written, or there is nothing to write.
    """
    if format is Format.PARQUET:
        with parquet_file(path, force=force) as write_table, _grouped(write_table) as add_rows:
            yield add_rows
        return
    with atomic_writer(path, "wb", force=force) as stream:
        data = Spool()
        clips: list[ClipEmbeddings] = []

        def add(result: ClipEmbeddings) -> None:
            data.append(result.vectors)
            clips.append(replace(result, data=None))

        yield add
        if not clips:
            raise OutputError(f"{path}: not written, as there is no result")
        counts = [len(clip) for clip in clips]
        np.savez(
            stream,
            data=data.array(),
            file_index=np.repeat(np.arange(len(clips), dtype=np.int32), counts),
            segment=np.concatenate([np.arange(count, dtype=np.int32) for count in counts]),
            starts_s=np.concatenate([clip.starts_s for clip in clips]),
            ends_s=np.concatenate([clip.ends_s for clip in clips]),
            silent=np.concatenate([clip.silent for clip in clips]),
            paths=np.array([clip.path for clip in clips]),
            meta=np.array(json.dumps(info_document(clips[0].info))),
        )


@contextmanager
def _grouped(write_table: Callable[[Any], None]) -> Iterator[Callable[[ClipEmbeddings], None]]:
    """A function that takes clips, and writes the rows of some of them together: 8 MiB, a group of rows."""
    held: list[ClipEmbeddings] = []
    held_bytes = 0

    def add(result: ClipEmbeddings) -> None:
        nonlocal held_bytes
        held.append(result)
        held_bytes += result.vectors.nbytes
        if held_bytes >= GROUP_BYTES:
            write_table(embedding_table(held))
            held.clear()
            held_bytes = 0

    yield add
    if held:
        write_table(embedding_table(held))


@dataclass(frozen=True, slots=True)
class VectorFiles:
    """Writes the vectors of one recording to a file."""

    format: Format

    def write(self, result: ClipEmbeddings, path: Path) -> None:
        """Write them to `path`, replacing a file there.

        Raises:
            OutputError: the file can't be written.
        """
        if self.format in TEXT:
            write_result(result, EmbedView(), Destination(self.format, path, force=True))
            return
        with vector_file(path, self.format, force=True) as write:
            write(result)


def choose_embedding_output(
    *,
    json: bool,
    jsonl: bool,
    csv: bool,
    output: str | None,
    format: Format | None,
    parts: PartOptions,
    force: bool,
    quiet: bool = False,
    verbose: bool = False,
) -> EmbeddingOutput:
    """The destination that the options choose: `output` is a folder, or a file of vectors or of the report.

    A folder is a Parquet data set, unless `format` is another one: then it has a file for each recording.

    Raises:
        UsageError: options that contradict each other, or a suffix without a format.
        OutputError: the file can't be written.
        MissingExtraError: the format needs a package that is not installed.
    """
    flag = one_format({Format.JSON: json, Format.JSONL: jsonl, Format.CSV: csv})
    printed = Destination(flag or Format.TABLE, force=force, quiet=quiet, verbose=verbose)
    in_folder = output is not None and names_folder(output)
    if not (in_folder and format in (None, Format.PARQUET)):
        parts.require_none()
    if output is None:
        return EmbeddingOutput(_to_stdout(printed, flag, format))
    if in_folder:
        beside = printed.beside_files()
        if flag is Format.CSV and format in (None, Format.PARQUET):
            raise UsageError("`csv` prints vectors, which are in the data set: leave it out, or give `json`")
        if format in (None, Format.PARQUET):
            return EmbeddingOutput(beside, dataset=parts.dataset(output, EmbeddingRows()))
        return EmbeddingOutput(beside, (ResultFolder(output, format.suffix, force), format))
    path = Path(output)
    by_suffix = format_of(path, EMBEDDING_FORMATS)
    require_suffix(path, by_suffix, format, f"format={format}")
    chosen = format or by_suffix
    if chosen not in _BINARY:
        return EmbeddingOutput(text_file(path, chosen or flag, force=force, others=_BINARY))
    chosen.require_package()
    require_no_recording(path)
    check_writable(path, force=force)
    return EmbeddingOutput(printed.beside_files(), file=(path, chosen))


def _to_stdout(printed: Destination, flag: Format | None, format: Format | None) -> Destination:
    if format is None:
        return printed
    if format in _BINARY:
        raise UsageError(f"`format={format}` needs a file or a folder: add `output=FILE` or `output=FOLDER/`")
    if flag not in (None, format):
        raise UsageError(f"`format={format}` and `{flag}` both write to stdout: leave out one")
    return replace(printed, format=format)
