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


class FolderFormat(StrEnum):
    """What a folder of predictions holds: a JSON document each, or a Parquet data set of all."""

    JSON = "json"
    PARQUET = "parquet"
