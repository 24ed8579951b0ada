"""The folders of a partitioned data set, named as Hive does: COLUMN=VALUE."""

from enum import StrEnum
from urllib.parse import quote

from audiocnn_cli.audio.sources import Source

# Hive's own name for null makes pandas fail (pyarrow: "Cannot yet unify dictionaries with nulls").
_NONE = "none"


class PartitionBy(StrEnum):
    """What decides the folder that a recording's rows are in, and the name of the column."""

    LABEL = "label"
    FOLDER = "folder"


def partition_folder(by: PartitionBy, value: str | None) -> str:
    """The folder of a value, "none" if there is none; `/` and `=` are escaped as in URLs."""
    escaped = quote((value or "").encode("utf-8", "backslashreplace"), safe=" ")
    return f"{by}={escaped or _NONE}"


def folder_of(source: Source) -> str | None:
    """The folders between the one that was searched and the recording, if any."""
    return source.name.rpartition("/")[0] or None


def class_of(source: Source) -> str | None:
    """The first of those folders: the class, where a folder holds one sub-folder a class."""
    return source.name.partition("/")[0] if "/" in source.name else None
