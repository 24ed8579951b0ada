"""Results of many files: a Parquet data set with the rows of all, or a folder with a file for each input."""

from enum import StrEnum


class PartitionBy(StrEnum):
    """The value that decides the folder of a recording's rows, and the name of its column."""

    LABEL = "label"
    FOLDER = "folder"
