"""The rows of predictions as Arrow tables: those of CSV, with numbers as numbers."""

from collections.abc import Sequence
from typing import Any

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.classify import Prediction
from audiocnn_cli.output.dataset import as_text


class PredictionRows:
    """The rows of predictions in a data set: one a clip, or with `timeline` one a segment."""

    def __init__(self, *, timeline: bool = False) -> None:
        self._timeline = timeline

    def columns(self, result: Prediction) -> tuple[str, ...]:
        """The labels that have a column of their own."""
        if not self._timeline:
            return ()
        return tuple(c.label for entry in result.timeline[:1] for c in entry.candidates)

    def weight(self, result: Prediction) -> int:
        """About a hundred bytes a row."""
        return 100 * (len(result.timeline) if self._timeline else 1)

    def table(self, results: Sequence[Prediction]) -> Any:
        """One row a clip or a segment; no label is null."""
        import pyarrow as pa

        rows = [row for result in results for row in self._rows(result)]
        number = pa.float64()
        types: dict[str, Any] = {"path": pa.string(), "model": pa.string(), "label": pa.string()}
        types |= {"probability": number, "abstained": pa.bool_()}
        if self._timeline:
            types |= {"start_s": number, "end_s": number}
            types |= {f"p_{label}": number for label in self.columns(results[0])}
        else:
            types |= {"segments": pa.int32(), "duration_s": number, "rest": pa.string()}
            types |= {"rest_s": number}
        return pa.Table.from_pylist(rows, schema=pa.schema(list(types.items())))

    def label(self, result: Prediction, _source: Source) -> str | None:
        """The label that the model says."""
        return result.label

    def without_rows(self, result: Prediction) -> Prediction:
        """The prediction: it is no larger than its rows."""
        return result

    def _rows(self, result: Prediction) -> list[dict[str, Any]]:
        clip = {"path": as_text(result.path), "model": result.model}
        if not self._timeline:
            row = clip | {
                "label": result.label,
                "probability": result.probability,
                "abstained": result.abstained,
                "segments": len(result.timeline),
                "duration_s": result.duration_s,
                "rest": str(result.rest),
                "rest_s": result.rest_s,
            }
            return [row]
        return [
            clip
            | {
                "label": entry.label,
                "probability": entry.best.probability,
                "abstained": entry.label is None,
                "start_s": entry.start_s,
                "end_s": entry.end_s,
            }
            | {f"p_{c.label}": c.probability for c in entry.candidates}
            for entry in result.timeline
        ]
