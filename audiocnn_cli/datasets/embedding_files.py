"""Files of vectors other than Parquet, read in blocks of bounded size: npz, CSV and JSONL."""

import csv
import json
import zipfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.datasets.embedding_blocks import (
    block_of,
    damaged,
    dimensions_in,
    require_one_model,
    rows_of_block,
)
from audiocnn_cli.datasets.embedding_rows import info_in, names_of_dimensions
from audiocnn_cli.embeddings.clip import EmbeddingInfo
from audiocnn_cli.embeddings.search import Block
from audiocnn_cli.models.signature import Pooling


class NpzVectors:
    """An npz file of vectors; its arrays are read side by side, not as a whole.

    Raises:
        InputError: it can't be read, or holds something else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with path.open("rb") as stream, np.load(stream) as arrays:
                self.info = info_in(json.loads(str(arrays["meta"])))
                self._names: list[str] = arrays["paths"].tolist()
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise damaged(str(path), error) from error
        if self.info is None:
            raise damaged(str(path), "it holds no embeddings")
        self.dimensions = self.info.dimensions

    def blocks(self) -> Iterator[Block]:
        """All vectors."""
        rows = rows_of_block(self.dimensions)
        try:
            with ExitStack() as stack:
                archive = stack.enter_context(zipfile.ZipFile(self._path))
                data, codes, starts, ends, silent = (
                    _Member(stack.enter_context(archive.open(f"{name}.npy")))
                    for name in ("data", "file_index", "starts_s", "ends_s", "silent")
                )
                for first in range(0, data.shape[0], rows):
                    count = min(rows, data.shape[0] - first)
                    values = {
                        "start_s": starts.read(count),
                        "end_s": ends.read(count),
                        "silent": silent.read(count),
                    }
                    vectors = data.read(count).astype(np.float32, copy=False)
                    yield block_of(codes.read(count), self._names, values, vectors, where=str(self._path))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise damaged(str(self._path), error) from error


class _Member:
    """An array in an npz file, read row by row."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        headers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        version = np.lib.format.read_magic(stream)
        self.shape, fortran, self._type = headers[version](stream)
        if fortran and len(self.shape) > 1:
            raise ValueError("an array is not in C order")

    def read(self, count: int) -> NDArray[Any]:
        """The next `count` rows."""
        shape = (count, *self.shape[1:])
        size = int(np.prod(shape)) * self._type.itemsize
        return np.frombuffer(self._stream.read(size), dtype=self._type).reshape(shape)


class CsvVectors:
    """A CSV file of vectors, with the columns of `embedding_rows.columns_of`.

    Raises:
        InputError: it can't be read, or is another table.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        rows = self._rows()
        self._header: list[str] = next(rows, [])
        self.dimensions = dimensions_in(self._header, str(path))
        self.info = _info_of(dict(zip(self._header, next(rows, []), strict=False)), self.dimensions)
        rows.close()

    def _rows(self) -> Generator[list[str], None, None]:
        try:
            with self._path.open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
                yield from csv.reader(stream)
        except (OSError, csv.Error) as error:
            raise damaged(str(self._path), error) from error

    def blocks(self) -> Iterator[Block]:
        """All vectors."""
        rows = self._rows()
        next(rows)
        held: list[list[str]] = []
        for number, row in enumerate(rows, start=2):
            if len(row) != len(self._header):
                raise damaged(str(self._path), f"row {number} has {len(row)} values, not {len(self._header)}")
            held.append(row)
            if len(held) == rows_of_block(self.dimensions, text=True):
                yield self._block(held)
                held.clear()
        if held:
            yield self._block(held)

    def _block(self, rows: list[list[str]]) -> Block:
        columns = dict(zip(self._header, zip(*rows, strict=True), strict=True))
        hashes = set(columns.get("model_sha256", ()))
        require_one_model(hashes, self.info, str(self._path))
        try:
            values: dict[str, Any] = {
                name: np.array(columns[name], np.float64) for name in ("start_s", "end_s")
            }
            numbers = [columns[name] for name in names_of_dimensions(self.dimensions)]
            vectors = np.array(numbers).astype(np.float32).T
        except ValueError as error:
            raise damaged(str(self._path), error) from error
        if "silent" in columns:
            values["silent"] = [cell.lower() == "true" for cell in columns["silent"]]
        return block_of(columns["path"], None, values, vectors, where=str(self._path))


class _Segment(msgspec.Struct):
    """A segment in a line of JSONL."""

    start_s: float
    end_s: float
    embedding: list[float]
    silent: bool = False


class _Line(msgspec.Struct):
    """A line of JSONL: a recording, or a failure, which has an `error`."""

    path: str
    model: str = ""
    model_sha256: str = ""
    dimensions: int = 0
    segment_s: float | None = None
    hop_s: float | None = None
    pool: Pooling | None = None
    segments: list[_Segment] = []
    error: Any = None


class JsonlVectors:
    """The lines that `audiocnn embed --jsonl` prints.

    Raises:
        InputError: it can't be read, or holds something else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        first = next(self._lines(), None)
        if first is None or not first.segments:
            raise damaged(str(path), "it holds no embeddings")
        self.dimensions = len(first.segments[0].embedding)
        values = {name: getattr(first, name) for name in EmbeddingInfo.__dataclass_fields__}
        self.info = EmbeddingInfo(**values) if first.model_sha256 else None

    def _lines(self) -> Iterator[_Line]:
        number = 0
        try:
            with self._path.open("rb") as stream:
                for text in stream:
                    number += 1
                    if text.strip() and not (line := _line(text)).error:
                        yield line
        except (OSError, ValueError) as error:
            raise damaged(str(self._path), f"line {number}: {error}") from error

    def blocks(self) -> Iterator[Block]:
        """All vectors, those of a recording together."""
        held: list[tuple[str, _Segment]] = []
        for line in self._lines():
            require_one_model({line.model_sha256}, self.info, str(self._path))
            held += [(line.path, segment) for segment in line.segments]
            if len(held) >= rows_of_block(self.dimensions, text=True):
                yield self._block(held)
                held.clear()
        if held:
            yield self._block(held)

    def _block(self, held: list[tuple[str, _Segment]]) -> Block:
        segments = [segment for _, segment in held]
        if {len(segment.embedding) for segment in segments} != {self.dimensions}:
            raise damaged(str(self._path), f"not all vectors have {self.dimensions} numbers")
        values = {name: [getattr(each, name) for each in segments] for name in ("start_s", "end_s", "silent")}
        vectors = np.array([each.embedding for each in segments], dtype=np.float32)
        return block_of([path for path, _ in held], None, values, vectors, where=str(self._path))


_decoder = msgspec.json.Decoder(_Line)


def _line(text: bytes) -> _Line:
    """A line of JSON.

    Raises:
        ValueError: it is none, or lacks a field.
    """
    try:
        return _decoder.decode(text)
    except msgspec.DecodeError:
        # A path that is not UTF-8 has lone surrogates, which only Python's module reads.
        return msgspec.convert(json.loads(text), _Line)


def _info_of(row: Mapping[str, str], dimensions: int) -> EmbeddingInfo | None:
    if not row.get("model_sha256"):
        return None
    return EmbeddingInfo(model=row.get("model", ""), model_sha256=row["model_sha256"], dimensions=dimensions)
