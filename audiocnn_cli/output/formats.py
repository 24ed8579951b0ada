"""Every format that results are written in: its suffixes, what it can hold, and the package that it needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from pathlib import Path

from audiocnn_cli.extras import require_extra


class Content(Enum):
    """A kind of results that files are made of."""

    REPORT = "reports, as text"
    TENSORS = "feature tensors"
    LABELS = "labels"
    DATASET = "rows of a data set"


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
    def extra(self) -> str | None:
        """The optional dependency that writing it needs."""
        return FORMATS[self].extra

    @property
    def is_binary(self) -> bool:
        """Whether files of it are bytes, not text."""
        return FORMATS[self].binary

    @property
    def suffix(self) -> str:
        """The suffix of a file of it in a folder of results, without the dot."""
        return FORMATS[self].suffixes[0].removeprefix(".")

    def require_package(self) -> None:
        """Check, before the work starts, that it can be written.

        Raises:
            MissingExtraError: its package is not installed.
        """
        if self.extra is not None:
            require_extra(self.extra, f"writing {self}")


@dataclass(frozen=True, slots=True)
class Properties:
    """The suffixes of a format's files (the first is that of new ones) and what they can hold."""

    suffixes: tuple[str, ...]
    holds: frozenset[Content]
    binary: bool = False
    extra: str | None = None


_REPORT, _TENSORS, _LABELS = Content.REPORT, Content.TENSORS, Content.LABELS
_TEXT = frozenset({_REPORT, _TENSORS, _LABELS})
FORMATS = {
    Format.NPZ: Properties((".npz",), frozenset({_TENSORS}), binary=True),
    Format.NPY: Properties((".npy",), frozenset({_TENSORS}), binary=True),
    Format.HDF5: Properties((".hdf5", ".h5"), frozenset({_TENSORS}), binary=True, extra="hdf5"),
    Format.PARQUET: Properties(
        (".parquet",), frozenset({_TENSORS, _LABELS, Content.DATASET}), binary=True, extra="parquet"
    ),
    Format.JSON: Properties((".json",), _TEXT),
    Format.JSONL: Properties((".jsonl",), _TEXT),
    Format.CSV: Properties((".csv",), _TEXT),
    Format.TABLE: Properties((".txt",), frozenset({_REPORT, _LABELS})),
    Format.MARKDOWN: Properties((".md",), frozenset({_REPORT})),
    Format.AUDACITY: Properties((".txt",), frozenset({_LABELS})),
    Format.RAVEN: Properties((".selections.txt",), frozenset({_LABELS})),
    Format.TEXTGRID: Properties((".TextGrid",), frozenset({_LABELS}), extra="textgrid"),
    Format.WEBVTT: Properties((".vtt",), frozenset({_LABELS})),
}


def formats_for(*contents: Content) -> list[Format]:
    """The formats that can hold one of `contents`."""
    return [format for format, each in FORMATS.items() if each.holds & set(contents)]


def format_of(path: Path, formats: Sequence[Format]) -> Format | None:
    """The first of `formats` that has the suffix of `path`, in any case; None if none has."""
    suffix = path.suffix.lower()
    matching = (f for f in formats if suffix in [each.lower() for each in FORMATS[f].suffixes])
    return next(matching, None)


def suffixes_of(formats: Sequence[Format]) -> list[str]:
    """The suffixes of `formats`, with the dot."""
    return [suffix for format in formats for suffix in FORMATS[format].suffixes]


# What `-o FILE` of features and of classify can hold beside a report; the names that Typer reads.
TENSOR_FORMATS = formats_for(Content.TENSORS)
LABEL_FORMATS = formats_for(Content.LABELS)
