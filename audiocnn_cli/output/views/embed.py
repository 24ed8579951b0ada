"""How embeddings look as JSON, as CSV and in a table."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.datasets.embedding_rows import columns_of
from audiocnn_cli.embeddings.clip import ClipEmbeddings
from audiocnn_cli.output.results import Row
from audiocnn_cli.output.views import pick


@dataclass(frozen=True, slots=True)
class EmbedView:
    """The view of `audiocnn embed`; `output` is the data set, folder or file that has the vectors."""

    output: str | None = None

    def document(self, result: ClipEmbeddings) -> dict[str, Any]:
        """The model, and each segment with its vector unless the vectors are in a data set."""
        columns = [result.starts_s.tolist(), result.ends_s.tolist(), result.silent.tolist()]
        names = ["start_s", "end_s", "silent"]
        if result.data is not None:
            columns.append(as_short_numbers(result.data))
            names.append("embedding")
        segments = [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
        document = {"path": result.path, **asdict(result.info), "segments": segments}
        return document | pick(result, "duration_s", "rest", "rest_s") | {"output": self.output}

    def rows(self, result: ClipEmbeddings) -> Iterator[Row]:
        """One row a segment."""
        columns = columns_of(result.info.dimensions)
        times = zip(result.starts_s.tolist(), result.ends_s.tolist(), strict=True)
        last = (result.info.model, result.info.model_sha256)
        numbers = result.vectors.astype(str).tolist()
        for segment, (start_s, end_s) in enumerate(times):
            silent = str(bool(result.silent[segment])).lower()
            values = (result.path, segment, start_s, end_s, *numbers[segment], silent, *last)
            yield dict(zip(columns, values, strict=True))

    def table(self, results: Sequence[ClipEmbeddings]) -> Any:
        """One row a recording, without the vectors."""
        from audiocnn_cli.output.terminal.console import display  # Rich: not for JSON
        from audiocnn_cli.output.terminal.layout import Column, FittedTable

        silent = [int(each.silent.sum()) for each in results]
        columns = [
            Column(name="path", cells=[display(each.path) for each in results], style="bold", path=True),
            Column(name="model", cells=[display(each.info.model) for each in results]),
            Column(name="segments", cells=[str(len(each)) for each in results], justify="right"),
            Column(name="dimensions", cells=[str(each.info.dimensions) for each in results], justify="right"),
            Column(
                name="seconds", cells=[f"{each.duration_s:.2f}" for each in results], justify="right", drop=1
            ),
        ]
        if any(silent):
            columns.append(Column(name="silent", cells=list(map(str, silent)), justify="right", drop=2))
        return FittedTable(columns)


def as_short_numbers(values: NDArray[np.float32]) -> list[Any]:
    """Numbers with as many digits as identify a float32, which are half of those of a float64."""
    shortest: list[Any] = values.astype(str).astype(np.float64).tolist()
    return shortest
