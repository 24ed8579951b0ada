"""The kinds of file that feature tensors are written to."""

from enum import StrEnum


class FileFormat(StrEnum):
    """What `--format` names."""

    NPZ = "npz"
    NPY = "npy"
    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"
    PARQUET = "parquet"
    HDF5 = "hdf5"


class TensorFormat(StrEnum):
    """Binary files that hold tensors."""

    NPZ = "npz"
    NPY = "npy"
    HDF5 = "hdf5"
    PARQUET = "parquet"


class LabelFormat(StrEnum):
    """What `classify --format` names: tables and documents, and the label files of other tools."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"
    AUDACITY = "audacity"
    RAVEN = "raven"
    TEXTGRID = "textgrid"
    WEBVTT = "webvtt"
