"""How a trace, and what a label rests on, look as tables, as JSON and as CSV."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from math import isnan
from typing import Any

from audiocnn_cli.inspection.layers import TracedLayer
from audiocnn_cli.inspection.meter import Values
from audiocnn_cli.inspection.occlusion import Span, Why
from audiocnn_cli.inspection.stages import TracedStage
from audiocnn_cli.inspection.trace import Trace
from audiocnn_cli.inspection.work import Inspected
from audiocnn_cli.output.results import Row
from audiocnn_cli.output.terminal.console import display, has_colour
from audiocnn_cli.output.terminal.heatmap import draw, shrink
from audiocnn_cli.output.views.classify import ClassifyView
from audiocnn_cli.output.views.occlusion import sentences
from audiocnn_cli.shapes.sizes import show_shape

_WIDTH = 72


class InspectionView:
    """The view of `classify` with --trace or --why: what was looked into, below each clip's answer."""

    def __init__(self, classified: ClassifyView) -> None:
        self._classified = classified

    def document(self, result: Inspected) -> dict[str, Any]:
        """The clip's document with `trace` and `why`."""
        document = self._classified.document(result.prediction)
        if result.trace is not None:
            document["trace"] = _trace_document(result.trace)
        if result.why is not None:
            document["why"] = _why_document(result.why)
        return document

    def rows(self, result: Inspected) -> Iterator[Row]:
        """A row a stage and a layer, or a row a part of the sound."""
        path = result.prediction.path
        if result.trace is not None:
            for stage in result.trace.stages:
                yield {"path": path, **_row(stage.stage.name, stage, stage.stage.shape)}
            for layer in result.trace.graph.layers:
                yield {"path": path, **_row(layer.name, layer, layer.predicted)}
        elif result.why is not None:
            for row in _cells(result.why):
                yield {"path": path, "label": result.why.label, **row}

    def table(self, results: Sequence[Inspected]) -> Any:
        """The clips' answers, then for each clip what was looked into."""
        from rich.console import Group
        from rich.text import Text

        parts: list[Any] = [self._classified.table([result.prediction for result in results])]
        for result in results:
            if len(results) > 1 and (result.trace is not None or result.why is not None):
                parts.append(Text(display(result.prediction.path), style="bold"))
            if result.trace is not None:
                parts += [_stage_table(result.trace), _layer_table(result.trace)]
            if result.why is not None:
                parts += [_picture(result.why), *_words(result.why), Text()]
        return Group(*parts)


def _trace_document(trace: Trace) -> dict[str, Any]:
    return {
        "model": trace.model,
        "agrees": trace.agrees,
        "stages": [
            {"stage": each.stage.name, "detail": each.stage.detail, "unit": each.stage.unit}
            | _measured(each, each.stage.shape)
            for each in trace.stages
        ],
        "layers": [
            {"name": each.name, "layer": each.text}
            | _measured(each, each.predicted)
            | {"runtime_shape": list(each.runtime_shape)}
            for each in trace.graph.layers
        ],
        "other_ms": trace.graph.other_ms,
    }


def _measured(each: TracedStage | TracedLayer, predicted: Sequence[int | str]) -> dict[str, Any]:
    values = each.values
    return {
        "shape": list(each.shape),
        "predicted": list(predicted),
        "agrees": each.agrees,
        "min": None if values is None else values.low,
        "mean": None if values is None else values.mean,
        "max": None if values is None else values.high,
        "ms": each.ms,
    }


def _row(name: str, each: TracedStage | TracedLayer, predicted: Sequence[int | str]) -> Row:
    sizes = {"shape": each.shape, "predicted": predicted}
    return {
        "name": name,
        **{key: "x".join(map(str, shape)) for key, shape in sizes.items()},
        "agrees": str(each.agrees).lower(),
        "ms": round(each.ms, 4),
    }


def _why_document(why: Why) -> dict[str, Any]:
    return {
        "label": why.label,
        "decibels": why.decibels,
        "spans": [_span_document(span) for span in why.spans],
        "segments": why.segments,
        "searched": why.searched,
        "times_s": list(why.times_s),
        "bands_hz": list(why.bands_hz),
        "drops": [[None if isnan(drop) else drop for drop in row] for row in why.drops.tolist()],
    }


def _span_document(span: Span) -> dict[str, float]:
    return {
        "start_s": span.start_s,
        "end_s": span.end_s,
        "low_hz": span.low_hz,
        "high_hz": span.high_hz,
        "before": span.before,
        "after": span.after,
    }


def _cells(why: Why) -> Iterator[dict[str, object]]:
    for column, drops in enumerate(why.drops.tolist()):
        for band, drop in enumerate(drops):
            yield {
                "start_s": round(why.times_s[column], 6),
                "end_s": round(why.times_s[column + 1], 6),
                "low_hz": round(why.bands_hz[band], 3),
                "high_hz": round(why.bands_hz[band + 1], 3),
                "drop": "" if isnan(drop) else round(drop, 9),
            }


def _stage_table(trace: Trace) -> Any:
    table = _table("from the file to the label", "stage", "shape", "values", "ms", "what happens")
    for each in trace.stages:
        table.add_row(
            each.stage.name,
            _agreement(each, show_shape(each.stage.shape)),
            _range(each.values),
            f"{each.ms:.2f}",
            each.stage.detail,
        )
    return table


def _layer_table(trace: Trace) -> Any:
    title = f"the layers of {display(trace.model)}, for the first segment"
    table = _table(title, "layer", "predicted", "in ONNX Runtime", "values", "ms")
    for (text, *_), run in groupby(trace.graph.layers, key=_alike):
        same = list(run)
        first = same[0]
        table.add_row(
            display(text) + (f"  ({len(same)} times)" if len(same) > 1 else ""),
            show_shape(first.predicted),
            _agreement(first, show_shape(first.predicted), real=show_shape(first.runtime_shape)),
            _range(_joined([each.values for each in same])),
            f"{sum(each.ms for each in same):.2f}",
        )
    table.add_row("operators between them", "", "", "", f"{trace.graph.other_ms:.2f}")
    return table


def _alike(layer: TracedLayer) -> tuple[Any, ...]:
    """What layers that stand side by side, as those of several members, have in common."""
    return layer.text, layer.predicted, layer.runtime_shape


def _joined(values: Sequence[Values | None]) -> Values | None:
    known = [each for each in values if each is not None]
    if not known:
        return None
    mean = sum(each.mean for each in known) / len(known)
    return Values(min(v.low for v in known), mean, max(v.high for v in known))


def _agreement(each: TracedStage | TracedLayer, predicted: str, *, real: str = "") -> Any:
    """The real shape; in red, with the predicted one, where they differ."""
    from rich.text import Text

    if each.agrees:
        return Text(real or predicted, style="cyan")
    return Text(f"{real or show_shape(each.shape)}, predicted {predicted}", style="bold red")


def _range(values: Values | None) -> str:
    return "" if values is None else f"{values.low:.4g} to {values.high:.4g}"


def _table(title: str, *columns: str) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold")
    for name in columns:
        number = name == "ms"
        table.add_column(
            name,
            justify="right" if number else "left",
            overflow="fold",
            no_wrap=number or name == "stage",
        )
    return table


def _words(why: Why) -> list[Any]:
    from rich.text import Text

    first, *others = sentences(why)
    return [Text(display(first), style="bold"), *(Text(display(other)) for other in others)]


def _picture(why: Why) -> Any:
    """The drops as a heat map of characters: what the label rests on is bright."""
    import numpy as np
    from rich.table import Table
    from rich.text import Text

    weights = np.maximum(np.nan_to_num(why.drops), 0.0).astype(np.float32)
    shares = shrink(weights, width=_WIDTH, height=weights.shape[1])
    shares = shares / (float(shares.max()) or 1.0)
    shares = np.repeat(shares, max(1, _WIDTH // len(shares)), axis=0)
    rows = weights.shape[1]
    edges = [f"{edge:,.0f} Hz" for edge in why.bands_hz]
    grid = Table.grid(padding=(0, 1))
    grid.add_column(justify="right", style="dim")
    grid.add_column()
    grid.add_row(
        Text("\n".join(edges[rows - 1 :: -1])),
        draw(shares, lines=rows, colour=has_colour()),
    )
    ends = f"{why.times_s[0]:.1f} s", f"{why.times_s[-1]:.1f} s"
    gap = " " * max(1, len(shares) - len(ends[0]) - len(ends[1]))
    grid.add_row("", Text(gap.join(ends), style="dim"))
    return grid
