"""The rows of predictions as Arrow tables: those of CSV, with numbers as numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.classify import Prediction
from audiocnn_cli.output.classify_view import ClassifyView
from audiocnn_cli.output.dataset import as_text


def prediction_table(results: Sequence[Prediction], view: ClassifyView) -> Any:
    """An Arrow table of predictions with the same columns; what there isn't is null."""
    import pyarrow as pa

    kinds = {str: pa.string(), bool: pa.bool_(), int: pa.int64(), float: pa.float64()}
    schema = pa.schema([(name, kinds[kind]) for name, kind in view.kinds(results[0]).items()])
    records = [
        record | {"path": as_text(result.path)}
        for result in results
        for record in view.records(result)
    ]
    return pa.Table.from_pylist(records, schema=schema)


@dataclass(frozen=True, slots=True)
class PredictionRows:
    """The rows of predictions in a data set: one a clip, a segment or an event, as `view` has them."""

    view: ClassifyView

    def columns(self, result: Prediction) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self.view.kinds(result))

    def weight(self, result: Prediction) -> int:
        """About a hundred bytes a row."""
        return 100 * (1 + len(result.timeline))

    def table(self, results: Sequence[Prediction]) -> Any:
        """The rows of predictions."""
        return prediction_table(results, self.view)

    def label(self, result: Prediction, _source: Source) -> str | None:
        """The label that the model says."""
        return result.label

    def without_rows(self, result: Prediction) -> Prediction:
        """The prediction: it is no larger than its rows."""
        return result
