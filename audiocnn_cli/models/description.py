"""What the user states about a model from elsewhere: labels, features, layout, normalisation."""

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from audiocnn_cli.errors import UsageError
from audiocnn_cli.features.config import FeatureConfig
from audiocnn_cli.models.contract import NOT_STATED
from audiocnn_cli.models.signature import Activation, Layout

# Names of a label column, the one with the most readable labels first, as in AudioSet's class map.
_LABEL_COLUMNS = ("display_name", "label", "name", "class")
_INDEX_COLUMN = "index"
_TABLES = {".csv": ",", ".tsv": "\t"}


@dataclass(frozen=True, slots=True)
class Normalization:
    """(tensor - mean) / std: one number each, or one for each bin."""

    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What `audiocnn models add` is given for a model without a contract.

    None means: the name of the file, as many seconds as the graph requires frames for (3 s where it takes
    any), the axes that fit the graph, the only output with a number for each label, the only input that can
    hold lengths, the activation that the graph lacks, a threshold of 0.5 for independent labels and 0
    otherwise.
    """

    labels: tuple[str, ...]
    features: FeatureConfig
    name: str | None = None
    task: str = NOT_STATED
    segment_s: float | None = None
    layout: Layout | None = None
    output: str | None = None
    embedding: str | None = None
    lengths: str | None = None
    activation: Activation | None = None
    multi_label: bool = False
    normalization: Normalization = Normalization()
    sound_type: str | None = None
    threshold: float | None = None
    command: str = NOT_STATED


def read_labels(file: str) -> tuple[str, ...]:
    """The labels in a file, in the order of the model's outputs.

    A text file has one a line. A CSV or TSV table (`classes.csv`, `classes.csv:column`) has a header, a
    column of labels (by default display_name, label, name or class) and, where the rows are not in the order
    of the outputs, a column `index`.

    Raises:
        UsageError: it can't be read, lacks a label or the column, or has a label twice.
    """
    path, column = Path(file), None
    if not path.is_file() and ":" in file:
        before, _, column = file.rpartition(":")
        path = Path(before)
    text = _text_of(path, "labels")
    delimiter = _TABLES.get(path.suffix.lower())
    if delimiter is None and column is None:
        labels = [line.strip() for line in text.rstrip().split("\n")]
        where = "line"
    else:
        labels = _column(path, text, column, delimiter or ",")
        where = "row"
    for number, label in enumerate(labels, start=1):
        if not label:
            raise UsageError(f"`labels={path}`: {where} {number} is empty; give one label a {where}")
    twice = [label for label, count in Counter(labels).items() if count > 1]
    if twice:
        found = [str(n) for n, label in enumerate(labels, start=1) if label == twice[0]]
        raise UsageError(
            f"`labels={path}`: {twice[0]!r} is on the {where}s {', '.join(found)}; labels must differ"
        )
    if len(labels) < 2:
        raise UsageError(f"`labels={path}`: has {len(labels)} label; a classifier has two or more")
    return tuple(labels)


def _column(path: Path, text: str, column: str | None, delimiter: str) -> list[str]:
    """The labels of a table, sorted by its index column if there is one."""
    rows = list(csv.DictReader(text.splitlines(), delimiter=delimiter))
    names = {name.strip().lower(): name for name in (rows[0] if rows else {}) if name}
    wanted = _LABEL_COLUMNS if column is None else (column.strip().lower(),)
    found = next((names[name] for name in wanted if name in names), None)
    if found is None:
        raise UsageError(
            f"`labels={path}`: has no column {' or '.join(wanted)}, but {', '.join(names) or 'no rows'}; name"
            " one as FILE.csv:COLUMN"
        )
    if _INDEX_COLUMN in names:
        numbered = {(row[names[_INDEX_COLUMN]] or "").strip(): row for row in rows}
        first = 0 if "0" in numbered else 1
        try:
            rows = [numbered[str(first + i)] for i in range(len(rows))]
        except KeyError as error:
            raise UsageError(
                f"`labels={path}`: its column index must count from 0 or 1, each number once"
            ) from error
    return [(row[found] or "").strip() for row in rows]


def read_normalization(given: str) -> Normalization:
    """`MEAN,STD`, the means and then the standard deviations of all bins, or a text file with them.

    A file holds two lines (the means, the standard deviations), or a line `mean std` for each bin; numbers
    are separated by commas or spaces, and a line without numbers is a header.

    Raises:
        UsageError: these are no such numbers, or a standard deviation is not above 0.
    """
    rows = _numbers(given.split("\n"))
    if not rows:
        rows = _numbers(_text_of(Path(given), "normalize").splitlines())
    if len(rows) == 1 and len(rows[0]) % 2 == 0:
        half = len(rows[0]) // 2
        rows = [rows[0][:half], rows[0][half:]]
    elif len(rows) > 2 and all(len(row) == 2 for row in rows):
        rows = [list(column) for column in zip(*rows, strict=True)]
    finite = all(isfinite(number) for row in rows for number in row)
    if not rows or [len(row) for row in rows[1:]] != [len(rows[0])] or min(rows[1]) <= 0 or not finite:
        raise UsageError(
            f"`normalize={given}`: give MEAN,STD with STD above 0, or a file with the means on one line and"
            " the standard deviations on the next"
        )
    return Normalization(tuple(rows[0]), tuple(rows[1]))


def _numbers(lines: Sequence[str]) -> list[list[float]]:
    """The numbers of each line that holds only numbers."""
    rows = []
    for line in lines:
        try:
            row = [float(word) for word in line.replace(",", " ").split()]
        except ValueError:
            continue
        if row:
            rows.append(row)
    return rows


def _text_of(path: Path, parameter: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UsageError(f"`{parameter}={path}`: can't be read ({reason})") from error
