"""The rows of predictions as values, in a data set and in Arrow tables; the columns are those of CSV."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.classify import Prediction, TimelineEntry
from audiocnn_cli.datasets.dataset import as_text

_BETWEEN = "|"
_EVENT_COLUMNS = ("path", "model", "label", "probability", "start_s", "end_s")


@dataclass(frozen=True, slots=True)
class PredictionRows:
    """Which rows a prediction has: one, or with `timeline` one a segment, or with `events` one an event.

    `same_labels`: all results have the labels of one model, so that segments have a column for each label.
    """

    timeline: bool = False
    events: bool = False
    same_labels: bool = True

    def of(self, result: Prediction) -> Iterator[dict[str, Any]]:
        """The rows as values: text, numbers, booleans, None for a missing value."""
        if result.quantity is not None and not self.timeline:
            yield _of_values(result)
        elif self.timeline:
            for entry in result.timeline:
                yield self.of_segment(entry, path=result.path, model=result.model)
        elif self.events:
            for event in result.events:
                values = (result.path, result.model, event.label, event.probability)
                yield dict(zip(_EVENT_COLUMNS, (*values, event.start_s, event.end_s), strict=True))
        else:
            yield _of_clip(result)

    def kinds(self, result: Prediction) -> dict[str, type]:
        """The type of each column."""
        texts = ("path", "model", "label", "reason", "labels", "rest", "sound_type")
        types: dict[str, type] = dict.fromkeys(texts, str) | {"abstained": bool, "segments": int}
        names = next(self.of(result), dict.fromkeys(_EVENT_COLUMNS))
        return {name: types.get(name, float) for name in names}

    def of_segment(self, entry: TimelineEntry, *, path: str, model: str) -> dict[str, Any]:
        """The row of one segment."""
        if entry.quantity is not None:
            return {
                "path": path,
                "model": model,
                "value": entry.value,
                "start_s": entry.start_s,
                "end_s": entry.end_s,
                "reason": entry.reason,
            }
        record = {
            "path": path,
            "model": model,
            "label": entry.label,
            "probability": entry.best.probability,
            "abstained": entry.label is None,
            "start_s": entry.start_s,
            "end_s": entry.end_s,
            "reason": entry.reason,
            "labels": _BETWEEN.join(entry.labels),
        }
        if self.same_labels:
            record |= {f"p_{each.label}": each.probability for each in entry.candidates}
        return record

    def columns(self, result: Prediction) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self.kinds(result))

    def weight(self, result: Prediction) -> int:
        """Approximate size in bytes, at a hundred a row."""
        return 100 * (1 + len(result.timeline))

    def table(self, results: Sequence[Prediction]) -> Any:
        """An Arrow table of predictions with the same columns; missing values are null."""
        import pyarrow as pa

        kinds = {str: pa.string(), bool: pa.bool_(), int: pa.int64(), float: pa.float64()}
        columns = self.kinds(results[0]).items()
        rows = [record | {"path": as_text(result.path)} for result in results for record in self.of(result)]
        return pa.Table.from_pylist(rows, schema=pa.schema([(n, kinds[k]) for n, k in columns]))

    def label(self, result: Prediction, _source: Source) -> str | None:
        """The predicted label, to partition by."""
        return result.label

    def without_rows(self, result: Prediction) -> Prediction:
        """The prediction itself, which is no larger than its rows."""
        return result


def _of_values(result: Prediction) -> dict[str, Any]:
    return {
        "path": result.path,
        "model": result.model,
        "value": result.value,
        "segments": len(result.timeline),
        "duration_s": result.duration_s,
        "rest": result.rest,
        "rest_s": result.rest_s,
        "reason": result.reason,
        "sound_type": result.sound_type.name if result.sound_type else None,
    }


def _of_clip(result: Prediction) -> dict[str, Any]:
    return {
        "path": result.path,
        "model": result.model,
        "label": result.label,
        "probability": result.probability,
        "abstained": result.abstained,
        "segments": len(result.timeline),
        "duration_s": result.duration_s,
        "rest": result.rest,
        "rest_s": result.rest_s,
        "reason": result.reason,
        "labels": _BETWEEN.join(result.labels),
        "sound_type": result.sound_type.name if result.sound_type else None,
    }
