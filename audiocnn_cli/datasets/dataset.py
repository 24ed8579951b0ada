"""The description of a Parquet data set: its location, its partitions, and how results become rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Generic, Protocol, TypeVar
from urllib.parse import quote

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.datasets import PartitionBy
from audiocnn_cli.datasets.storage import is_url
from audiocnn_cli.errors import UsageError
from audiocnn_cli.extras import require_extra

R = TypeVar("R")

# Recordings in a part.
_PART_FILES = 1000
# Bytes in a group of rows of a Parquet file.
GROUP_BYTES = 1 << 23
# The folder of rows without a value: pandas can't read Hive's own name for null
# (pyarrow: "Cannot yet unify dictionaries with nulls").
_NO_VALUE = "none"


class Tabular(Protocol[R]):
    """Converts results of one kind to rows."""

    def columns(self, result: R) -> tuple[str, ...]:
        """The names of the columns; results with different columns get different files."""

    def weight(self, result: R) -> int:
        """The size of its rows in bytes, about."""

    def table(self, results: Sequence[R]) -> Any:
        """The rows of results with the same columns, as an Arrow table with a column `path`."""

    def label(self, result: R, source: Source) -> str | None:
        """The value that `PartitionBy.LABEL` partitions by."""

    def without_rows(self, result: R) -> R:
        """The result without the data of its rows, for the journal and the report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset(Generic[R]):
    """A data set at the path or URL `location`, in parts of `part_files` recordings at most."""

    location: str
    tabular: Tabular[R]
    part_files: int
    partition_by: PartitionBy | None = None

    @property
    def path(self) -> Path | None:
        """Its folder; None where it is remote."""
        return None if is_url(self.location) else Path(self.location)

    @property
    def layout(self) -> dict[str, str | None]:
        """The options that decide in which files the rows are."""
        return {"partition_by": self.partition_by}

    def file_of(self, source: Source, result: R, number: str) -> tuple[str, tuple[str, ...]]:
        """The name of the file with the rows of a result, and their columns."""
        columns = self.tabular.columns(result)
        name = f"part-{number}.parquet"
        if self.partition_by is None:
            return name, columns
        if self.partition_by is PartitionBy.FOLDER:
            value = source.name.rpartition("/")[0] or None
        else:
            value = self.tabular.label(result, source)
        # Named as Hive does, COLUMN=VALUE, with `/` and `=` escaped as in URLs.
        escaped = quote((value or "").encode("utf-8", "backslashreplace"), safe=" ")
        return f"{self.partition_by}={escaped or _NO_VALUE}/{name}", columns

    def table(self, results: Sequence[R]) -> Any:
        """The rows of results, without the column that the folder's name gives."""
        table = self.tabular.table(results)
        named = self.partition_by and self.partition_by in table.column_names
        return table.drop_columns([self.partition_by]) if named else table


@dataclass(frozen=True, slots=True, kw_only=True)
class PartOptions:
    """The options `partition_by` and `part_files`, as they were given."""

    partition_by: PartitionBy | None = None
    part_files: int | None = None

    def dataset(self, location: str, tabular: Tabular[R]) -> Dataset[R]:
        """The data set at `location`.

        Raises:
            MissingExtraError: pyarrow is not installed.
        """
        require_extra("parquet", "writing parquet")
        return Dataset(
            location=location,
            tabular=tabular,
            part_files=self.part_files or _PART_FILES,
            partition_by=self.partition_by,
        )

    def require_none(self) -> None:
        """Refuse them where no data set is written.

        Raises:
            UsageError: one of them was given.
        """
        if self.partition_by is not None or self.part_files is not None:
            raise UsageError(
                "`partition_by` and `part_files` are for data sets: add `output` FOLDER/ and `format=parquet`"
            )


def parquet_options(schema: Any) -> dict[str, Any]:
    """How columns of this schema are written: numbers of float32, which hardly repeat, have no dictionary.

    With one, the parts of a set of vectors are half as large again and take three times as long to write.
    """
    return {"use_dictionary": [field.name for field in schema if str(field.type) != "float"]}


def write_parquet(table: Any, stream: IO[bytes]) -> None:
    """Write an Arrow table in groups of rows of 8 MiB, which a reader holds as a whole."""
    import pyarrow.parquet as pq

    rows = max(1, table.num_rows * GROUP_BYTES // max(1, table.nbytes))
    pq.write_table(table, stream, row_group_size=rows, **parquet_options(table.schema))


def as_text(path: str) -> str:
    """A path for the column `path`: bytes that are not UTF-8 are escaped."""
    return path.encode("utf-8", "backslashreplace").decode()
