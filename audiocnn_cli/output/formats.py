"""Every format that results are written in: its suffixes, what it can hold, and the package that it needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from audiocnn_cli.extras import require_extra


class Format(StrEnum):
    """How results are written; `FORMATS` has the properties of each."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    MARKDOWN = "markdown"
    NPZ = "npz"
    NPY = "npy"
    HDF5 = "hdf5"
    PARQUET = "parquet"
    AUDACITY = "audacity"
    RAVEN = "raven"
    TEXTGRID = "textgrid"
    WEBVTT = "webvtt"

    @property
    def suffix(self) -> str:
        """The suffix of a file of it in a folder of results, without the dot."""
        return FORMATS[self].suffixes[0].removeprefix(".")

    def require_package(self) -> None:
        """Check, before the work starts, that it can be written.

        Raises:
            MissingExtraError: its package is not installed.
        """
        extra = FORMATS[self].extra
        if extra is not None:
            require_extra(extra, f"writing {self}")


@dataclass(frozen=True, slots=True)
class Properties:
    """The suffixes of a format's files (the first is that of new ones), and what it can hold beside reports.

    Files of it are text unless `binary`; `extra` is the optional dependency that writing it needs.
    """

    suffixes: tuple[str, ...]
    tensors: bool = False
    labels: bool = False
    embeddings: bool = False
    binary: bool = False
    extra: str | None = None


FORMATS = {
    Format.NPZ: Properties((".npz",), tensors=True, embeddings=True, binary=True),
    Format.NPY: Properties((".npy",), tensors=True, binary=True),
    Format.HDF5: Properties((".hdf5", ".h5"), tensors=True, binary=True, extra="hdf5"),
    Format.PARQUET: Properties(
        (".parquet",), tensors=True, labels=True, embeddings=True, binary=True, extra="parquet"
    ),
    Format.JSON: Properties((".json",), tensors=True, labels=True, embeddings=True),
    Format.JSONL: Properties((".jsonl",), tensors=True, labels=True, embeddings=True),
    Format.CSV: Properties((".csv",), tensors=True, labels=True, embeddings=True),
    Format.TABLE: Properties((".txt",), labels=True),
    Format.MARKDOWN: Properties((".md",)),
    Format.AUDACITY: Properties((".txt",), labels=True),
    Format.RAVEN: Properties((".selections.txt",), labels=True),
    Format.TEXTGRID: Properties((".TextGrid",), labels=True, extra="textgrid"),
    Format.WEBVTT: Properties((".vtt",), labels=True),
}
TENSOR_FORMATS = [format for format, each in FORMATS.items() if each.tensors]
LABEL_FORMATS = [format for format, each in FORMATS.items() if each.labels]
EMBEDDING_FORMATS = [format for format, each in FORMATS.items() if each.embeddings]


def format_of(path: Path, formats: Sequence[Format]) -> Format | None:
    """The first of `formats` that has the suffix of `path`, in any case; None if none has."""
    suffix = path.suffix.lower()
    matching = (f for f in formats if suffix in [each.lower() for each in FORMATS[f].suffixes])
    return next(matching, None)


def suffixes_of(formats: Sequence[Format]) -> list[str]:
    """The suffixes of `formats`, with the dot."""
    return [suffix for format in formats for suffix in FORMATS[format].suffixes]
