"""The targets of a regression: a CSV file with a recording and its value in each row."""

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.errors import UsageError

_COLUMNS = ("path", "value")


@dataclass(frozen=True, slots=True)
class Target:
    """A recording and the value that a model should give for it."""

    source: Source
    value: float


def read_targets(file: Path, folder: Path) -> tuple[Target, ...]:
    """The rows of `file`, a CSV file with the columns `path` (relative to `folder`, or absolute) and `value`.

    Other columns are ignored; recordings need not exist.

    Raises:
        UsageError: it can't be read, lacks a column or rows, a value is no finite number, or a recording is
            named twice.
    """
    found: dict[str, Target] = {}
    for line, name, text in _rows(file):
        value = _number(text)
        if value is None:
            raise UsageError(f"{file}, line {line}: the value {text!r} is no finite number; correct the row")
        path = str(folder / name)
        if path in found:
            raise UsageError(f"{file}, line {line}: {name} has a row already; keep one of both")
        found[path] = Target(Source(path, name), value)
    if not found:
        raise UsageError(f"{file}: has no rows; give a recording and its value in each (path,value)")
    return tuple(found.values())


def _rows(file: Path) -> Iterator[tuple[int, str, str]]:
    """The number of the line, the path and the value of each row."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise UsageError(
                    f"{file}: its first line has no column {' and no column '.join(missing)}; the header is"
                    f" {','.join(_COLUMNS)}"
                )
            for row in reader:
                yield reader.line_num, row["path"] or "", row["value"] or ""
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"{file}: can't be read as a CSV file ({reason}); give path,value in each row"
        ) from error


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
