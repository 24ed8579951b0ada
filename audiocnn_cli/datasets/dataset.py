"""What a Parquet data set is: where it lies, how it is divided, and how results become its rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.datasets.partition import PartitionBy, class_of, folder_of, partition_folder
from audiocnn_cli.errors import MissingExtraError, UsageError

R = TypeVar("R")

# Recordings in a part.
_PART_FILES = 1000


class Tabular(Protocol[R]):
    """How results of one kind become rows."""

    def columns(self, result: R) -> tuple[str, ...]:
        """The names of the columns; results that differ in them get files of their own."""

    def weight(self, result: R) -> int:
        """Bytes that its rows take, about."""

    def table(self, results: Sequence[R]) -> Any:
        """The rows of results with the same columns, as an Arrow table with a column `path`."""

    def label(self, result: R, source: Source) -> str | None:
        """What `--partition-by label` goes by."""

    def without_rows(self, result: R) -> R:
        """The result for those who don't write its rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset(Generic[R]):
    """Where a data set lies, and how it is divided: into parts of so many recordings, and by what."""

    location: str
    tabular: Tabular[R]
    part_files: int
    partition_by: PartitionBy | None = None

    @property
    def layout(self) -> dict[str, str | None]:
        """What of it decides how the rows lie."""
        return {"partition_by": self.partition_by}

    def file_of(self, source: Source, result: R, number: str) -> tuple[str, tuple[str, ...]]:
        """The name of the file that the rows of a result are in, and their columns."""
        columns = self.tabular.columns(result)
        if self.partition_by is None:
            return f"part-{number}.parquet", columns
        if self.partition_by is PartitionBy.FOLDER:
            value = folder_of(source)
        else:
            value = self.tabular.label(result, source)
        return f"{partition_folder(self.partition_by, value)}/part-{number}.parquet", columns

    def table(self, results: Sequence[R]) -> Any:
        """The rows of results; a column that the folder's name gives is left out."""
        table = self.tabular.table(results)
        named = self.partition_by and self.partition_by in table.column_names
        return table.drop_columns([self.partition_by]) if named else table


@dataclass(frozen=True, slots=True, kw_only=True)
class PartOptions:
    """`--partition-by` and `--part-files`, as they were given."""

    partition_by: PartitionBy | None = None
    part_files: int | None = None

    def dataset(self, location: str, tabular: Tabular[R]) -> Dataset[R]:
        """The data set at `location`.

        Raises:
            MissingExtraError: pyarrow is not installed.
        """
        require_pyarrow()
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
                "--partition-by and --part-files are for data sets: add -o FOLDER/ --format parquet"
            )


def class_label(_result: object, source: Source) -> str | None:
    """The label of results that have none of their own: the class that their folder says."""
    return class_of(source)


def require_pyarrow() -> None:
    """Say now that Parquet can't be written, not after the work.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    from importlib.util import find_spec

    if find_spec("pyarrow") is None:
        raise MissingExtraError("writing parquet", "parquet")


def as_text(path: str) -> str:
    """A path as the column `path` has it: bytes that are no UTF-8 are escaped."""
    return path.encode("utf-8", "backslashreplace").decode()
