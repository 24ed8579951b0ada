"""Sets of vectors that `audiocnn embed` has written, read in blocks of bounded size."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from audiocnn_cli.datasets.embedding_blocks import (
    block_of,
    damaged,
    dimensions_in,
    require_one_model,
    rows_of_block,
)
from audiocnn_cli.datasets.embedding_files import CsvVectors, JsonlVectors, NpzVectors
from audiocnn_cli.datasets.embedding_rows import info_in_metadata, names_of_dimensions
from audiocnn_cli.datasets.storage import RemoteStorage, is_url
from audiocnn_cli.embeddings.clip import EmbeddingInfo
from audiocnn_cli.embeddings.search import Block
from audiocnn_cli.errors import FailureKind, InputError, UsageError
from audiocnn_cli.extras import require_extra

# Bytes of a column that are read at once: a set of 1,000 dimensions has as many columns open.
_COLUMN_BUFFER = 1 << 15
_PARQUET = ".parquet"


class VectorFile(Protocol):
    """A file of vectors; `info` is None where it does not record how they were computed."""

    @property
    def info(self) -> EmbeddingInfo | None:
        """How the vectors were computed."""

    @property
    def dimensions(self) -> int:
        """The length of a vector."""

    def blocks(self) -> Iterator[Block]:
        """All vectors, in blocks of bounded size."""


@dataclass(frozen=True, slots=True)
class EmbeddingSet:
    """A set of vectors: a data set, or one file.

    Args:
        location: path or URL.
        info: how the vectors were computed; None if that is not recorded.
        dimensions: length of a vector.
        parts: its files.
    """

    location: str
    info: EmbeddingInfo | None
    dimensions: int
    parts: "Sequence[Part]"

    def require_dimensions(self, count: int) -> None:
        """Check the length of a query's vector.

        Raises:
            UsageError: it is another than that of the vectors.
        """
        if count != self.dimensions:
            raise UsageError(
                f"{self.location}: its vectors have {self.dimensions} dimensions, those of `model` {count};"
                " give the model that made it"
            )

    def blocks(self) -> Iterator[Block]:
        """All vectors.

        Raises:
            InputError: a file can't be read, or has vectors of another model.
        """
        for part in self.parts:
            file = part.open()
            if file.info is not None:
                require_one_model({file.info.model_sha256}, self.info, self.location)
            if file.dimensions != self.dimensions:
                why = f"{part.name} has {file.dimensions} dimensions, others {self.dimensions}"
                raise damaged(self.location, why)
            yield from file.blocks()


def open_set(location: str) -> EmbeddingSet:
    """The set at a path or URL: a folder with Parquet files, or a .parquet, .npz, .csv or .jsonl file.

    Raises:
        InputError: there is none, it holds no vectors, or it can't be read.
        UsageError: the name of the file ends in something else.
        MissingExtraError: pyarrow or fsspec is not installed.
    """
    parts = parts_of(location)
    if not parts:
        raise InputError(
            location, FailureKind.EMPTY, "holds no embeddings; `audiocnn embed` writes them there"
        )
    first = parts[0].open()
    return EmbeddingSet(location, first.info, first.dimensions, parts)


def recorded_info(location: str) -> EmbeddingInfo | None:
    """How the vectors of an existing data set were computed; None if there is none, or it is not recorded.

    Raises:
        InputError: it can't be read.
    """
    if not is_url(location) and not Path(location).is_dir():
        return None
    parts = parts_of(location)
    return parts[0].open().info if parts else None


@dataclass(frozen=True, slots=True)
class Part:
    """A file of a set: a path, or a `name` in a folder on another machine."""

    name: str
    storage: RemoteStorage | None = None

    def open(self) -> VectorFile:
        """Read its header.

        Raises:
            InputError: it can't be read.
        """
        if self.storage is not None:
            import pyarrow as pa

            return ParquetVectors(pa.BufferReader(self.storage.read(self.name)), self.name)
        path = Path(self.name)
        if path.suffix.lower() == _PARQUET:
            return ParquetVectors(self.name, self.name)
        return _READERS[path.suffix.lower()](path)


_READERS: dict[str, Callable[[Path], VectorFile]] = {
    ".npz": NpzVectors,
    ".csv": CsvVectors,
    ".jsonl": JsonlVectors,
}


def parts_of(location: str) -> list[Part]:
    """The files of the set at a path or URL, in the order of their names.

    Raises:
        InputError, UsageError, MissingExtraError: as `open_set`.
    """
    if is_url(location):
        require_extra("remote", f"reading {location}")
        require_extra("parquet", "reading a data set")
        storage = RemoteStorage(location)
        return [Part(name, storage) for name in sorted(filter(_is_part, storage.names()))]
    path = Path(location)
    if path.is_dir():
        require_extra("parquet", "reading a data set")
        return [Part(str(each)) for each in sorted(path.rglob(f"*{_PARQUET}")) if _is_part(each.name)]
    if not path.is_file():
        raise InputError(
            location, FailureKind.NOT_FOUND, "no such set of embeddings; `audiocnn embed` writes one"
        )
    suffix = path.suffix.lower()
    if suffix == _PARQUET:
        require_extra("parquet", "reading parquet")
    elif suffix not in _READERS:
        known = ", ".join([_PARQUET, *_READERS])
        raise UsageError(f"{location}: is no set of embeddings; give a folder, or a file of {known}")
    return [Part(location)]


def _is_part(name: str) -> bool:
    """Whether a file is a part; one that is being written has a hidden name."""
    return name.endswith(_PARQUET) and not name.rpartition("/")[2].startswith(".")


class ParquetVectors:
    """A Parquet file of vectors.

    Raises:
        InputError: it can't be read, or holds something else.
    """

    def __init__(self, source: Any, name: str) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._source, self._name = source, name
        try:
            schema = pq.read_schema(source)
        except (OSError, pa.ArrowException) as error:
            raise damaged(name, error) from error
        self._columns = schema.names
        self.dimensions = dimensions_in(schema.names, name)
        self.info = info_in_metadata(schema.metadata)

    def blocks(self) -> Iterator[Block]:
        """All vectors."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        texts, values = (
            [name for name in names if name in self._columns]
            for names in (("path", "model_sha256"), ("start_s", "end_s", "silent"))
        )
        numbers = names_of_dimensions(self.dimensions)
        try:
            # Small buffers: a set written by others may hold all rows in one group.
            with pq.ParquetFile(
                self._source, read_dictionary=texts, buffer_size=_COLUMN_BUFFER, pre_buffer=False
            ) as file:
                columns = [*texts, *values, *numbers]
                for batch in file.iter_batches(rows_of_block(self.dimensions), columns=columns):
                    if "model_sha256" in texts:
                        hashes = set(batch.column("model_sha256").unique().to_pylist())
                        require_one_model(hashes, self.info, self._name)
                    names, codes = _unique(batch.column("path"))
                    # One row of the array for each column: no copy into another order.
                    rows = np.stack([_numpy(batch.column(name)) for name in numbers])
                    yield block_of(
                        codes,
                        names,
                        {name: _numpy(batch.column(name)) for name in values},
                        rows.T.astype(np.float32, copy=False),
                        where=self._name,
                    )
        except (OSError, pa.ArrowException) as error:
            raise damaged(self._name, error) from error


def _numpy(column: Any) -> Any:
    return column.to_numpy(zero_copy_only=False)


def _unique(paths: Any) -> tuple[list[str], Any]:
    """The different paths of a column, and the index of each row's path among them."""
    encoded = paths if hasattr(paths, "dictionary") else paths.dictionary_encode()
    given = encoded.dictionary.to_pylist()
    index = {name: code for code, name in enumerate(dict.fromkeys(given))}
    codes = np.array([index[name] for name in given], dtype=np.int64)
    return list(index), codes[_numpy(encoded.indices)]
