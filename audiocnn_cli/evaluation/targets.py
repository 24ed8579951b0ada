"""The targets of a regression: a CSV file with a recording and its value in each row."""

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.errors import UsageError

_PATH, _VALUE = "path", "value"


@dataclass(frozen=True, slots=True)
class Target:
    """A recording and the value that a model should give for it."""

    source: Source
    value: float


def read_targets(file: Path, folder: Path, *, quantity: str = _VALUE) -> tuple[Target, ...]:
    """The rows of a CSV file with a column `path`, relative to `folder` or absolute, and one of values.

    The column of values is named `quantity` or `value`, or is the only other one; further columns are
    ignored. Recordings need not exist.

    Raises:
        UsageError: it can't be read, lacks a column or rows, a value is no finite number, or a recording is
            named twice.
    """
    found: dict[str, Target] = {}
    for line, name, text in _rows(file, quantity):
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


def _rows(file: Path, quantity: str) -> Iterator[tuple[int, str, str]]:
    """The number of the line, the path and the value of each row."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, skipinitialspace=True)
            names = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = names
            others = [name for name in names if name != _PATH]
            known = [name for name in (quantity, _VALUE) if name in others]
            if _PATH not in names or not (known or len(others) == 1):
                raise UsageError(
                    f"{file}: has the columns {', '.join(names) or 'none'}; its first line must name a column"
                    f" {_PATH} and one {_VALUE}"
                )
            column = (known or others)[0]
            for row in reader:
                yield reader.line_num, (row[_PATH] or "").strip(), (row[column] or "").strip()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"{file}: can't be read as a CSV file ({reason}); give a path and a value in each row"
        ) from error


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
