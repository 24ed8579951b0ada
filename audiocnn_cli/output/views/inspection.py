"""How a trace and an occlusion map look as tables, as JSON and as CSV."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby, pairwise
from math import isnan
from operator import attrgetter
from typing import Any

import numpy as np
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group
from rich.measure import Measurement
from rich.padding import Padding
from rich.segment import Segment, Segments
from rich.table import Table
from rich.text import Text

from audiocnn_cli.inspection.layers import TracedLayer
from audiocnn_cli.inspection.meter import Values
from audiocnn_cli.inspection.occlusion import Span, Why
from audiocnn_cli.inspection.stages import TracedStage
from audiocnn_cli.inspection.trace import Trace
from audiocnn_cli.inspection.work import Inspected
from audiocnn_cli.output.results import Row
from audiocnn_cli.output.terminal.console import display
from audiocnn_cli.output.terminal.heatmap import draw, shrink
from audiocnn_cli.output.terminal.layout import table_of_rows
from audiocnn_cli.output.views import pick
from audiocnn_cli.output.views.classify import ClassifyView
from audiocnn_cli.parameters import with_flags
from audiocnn_cli.shapes.sizes import Shape, show_shape, type_sizes

_WIDEST_MAP = 72
# Lines of a Rich table above its first row: a margin, the heading, a rule.
_HEAD_LINES = 3
# A smaller drop is reported as "no single part".
_SMALL_DROP = 0.05


@dataclass(frozen=True, slots=True)
class InspectionView:
    """The view of `classify` with --trace or --why: below the clips, the inspection of each."""

    classified: ClassifyView

    def document(self, result: Inspected) -> dict[str, Any]:
        """The clip's document with `trace` and `why`."""
        document = self.classified.document(result.prediction)
        if result.trace is not None:
            document["trace"] = _trace_document(result.trace)
        if result.why is not None:
            document["why"] = _why_document(result.why)
        return document

    def rows(self, result: Inspected) -> Iterator[Row]:
        """A row for each stage and layer, or for each cell of the occlusion map."""
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
        """The clips, then for each the stages and layers, and the occlusion map."""
        parts: list[Any] = [self.classified.table([result.prediction for result in results])]
        for result in results:
            if len(results) > 1 and (result.trace is not None or result.why is not None):
                parts.append(Text(display(result.prediction.path), style="bold"))
            if result.trace is not None:
                parts += [_StageTable(result.trace.stages), Text(), *_layers(result.trace)]
            if result.why is not None:
                first, *others = map(display, sentences(result.why))
                parts += [_HeatMap(result.why), Text(first, style="bold"), *map(Text, others), Text()]
        return Group(*parts)


def _trace_document(trace: Trace) -> dict[str, Any]:
    return pick(trace, "model", "agrees") | {
        "stages": [
            {"stage": each.stage.name, "detail": with_flags(each.stage.detail), "unit": each.stage.unit}
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
    numbers = (None, None, None) if values is None else (values.low, values.mean, values.high)
    shapes = {"shape": list(each.shape), "predicted": list(predicted), "agrees": each.agrees}
    return shapes | dict(zip(("min", "mean", "max"), numbers, strict=True)) | {"ms": each.ms}


def _row(name: str, each: TracedStage | TracedLayer, predicted: Shape) -> Row:
    shapes = {"shape": type_sizes(each.shape), "predicted": type_sizes(predicted)}
    return {"name": name, **shapes, "agrees": str(each.agrees).lower(), "ms": round(each.ms, 4)}


def _why_document(why: Why) -> dict[str, Any]:
    drops = [[None if isnan(drop) else drop for drop in row] for row in why.drops.tolist()]
    document = pick(why, "label", "decibels") | {"spans": [asdict(span) for span in why.spans]}
    return document | pick(why, "segments", "searched", "times_s", "bands_hz") | {"drops": drops}


def _cells(why: Why) -> Iterator[dict[str, object]]:
    for (start, end), drops in zip(pairwise(why.times_s), why.drops.tolist(), strict=True):
        for (low, high), drop in zip(pairwise(why.bands_hz), drops, strict=True):
            span = {"start_s": round(start, 6), "end_s": round(end, 6)}
            band = {"low_hz": round(low, 3), "high_hz": round(high, 3)}
            yield span | band | {"drop": "" if isnan(drop) else round(drop, 9)}


@dataclass(frozen=True, slots=True)
class _StageTable:
    """A row for each stage, and what happens in it on the lines below."""

    stages: Sequence[TracedStage]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Any]:
        yield Text("from the file to the label", style="bold")
        rows = [
            (s.stage.name, _agreement(s, show_shape(s.stage.shape)), _range([s.values]), f"{s.ms:.2f}")
            for s in self.stages
        ]
        table = table_of_rows(("stage", "shape", "values", "ms"), rows, left=("stage", "shape", "values"))
        lines = console.render_lines(table, options, pad=False)
        for i, line in enumerate(lines[: _HEAD_LINES + len(self.stages)]):
            yield Segments([*line, Segment.line()])
            if i >= _HEAD_LINES:
                detail = Text(with_flags(self.stages[i - _HEAD_LINES].stage.detail), style="dim")
                yield Padding(detail, (0, 2, 0, 4))


@dataclass(frozen=True, slots=True)
class _LayerText:
    """A layer in the notation of `audiocnn shapes`, broken between its settings only."""

    text: str

    @property
    def _pieces(self) -> list[str]:
        return re.split(r"(?<=[+ ])|(?<=,)(?=[a-z])", self.text)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(max(map(cell_len, self._pieces)), cell_len(self.text))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Any]:
        lines = [""]
        for piece in self._pieces:
            if lines[-1] and cell_len(lines[-1] + piece.rstrip()) > options.max_width:
                lines.append("")
            lines[-1] += piece
        yield Text("\n".join(line.rstrip() for line in lines), overflow="fold")


def _layers(trace: Trace) -> list[Any]:
    """The layers of the graph in a table; equal neighbours, such as those of several members, share a row."""
    rows: list[tuple[Any, ...]] = []
    for _, run in groupby(trace.graph.layers, key=attrgetter("text", "predicted", "runtime_shape")):
        layers = list(run)
        first = layers[0]
        predicted = show_shape(first.predicted)
        real = _agreement(first, predicted, show_shape(first.runtime_shape))
        values = _range(each.values for each in layers)
        ms = f"{sum(each.ms for each in layers):.2f}"
        rows.append((_LayerText(display(first.text)), str(len(layers)), predicted, real, values, ms))
    rows.append(("others", "", "", "", "", f"{trace.graph.other_ms:.2f}"))
    left = ("layer", "predicted", "in ONNX Runtime", "values")
    names = ("layer", "n", *left[1:], "ms")
    drop = {"predicted": 1, "n": 2, "values": 3}
    title = f"the layers of {display(trace.model)}, for the first segment"
    return [Text(title, style="bold"), table_of_rows(names, rows, left=left, wrap={"layer"}, drop=drop)]


def _agreement(each: TracedStage | TracedLayer, predicted: str, real: str = "") -> Any:
    """The real shape; in red, with the predicted one, where they differ."""
    if each.agrees:
        return Text(real or predicted, style="cyan")
    return Text(f"{real or show_shape(each.shape)}, predicted {predicted}", style="bold red")


def _range(values: Iterable[Values | None]) -> str:
    given = [each for each in values if each is not None]
    return f"{min(v.low for v in given):.4g} to {max(v.high for v in given):.4g}" if given else ""


@dataclass(frozen=True, slots=True)
class _HeatMap:
    """The drops as a heat map of characters: the larger the drop, the brighter."""

    why: Why

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Any]:
        why = self.why
        edges = [f"{edge:,.0f} Hz" for edge in why.bands_hz]
        width = min(_WIDEST_MAP, options.max_width - max(map(len, edges)) - 1)
        drops = np.maximum(np.nan_to_num(why.drops), 0.0).astype(np.float32)
        rows = drops.shape[1]
        shares = shrink(drops, width=width, height=rows)
        shares = shares / (float(shares.max()) or 1.0)
        shares = np.repeat(shares, max(1, width // len(shares)), axis=0)
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_column(justify="right", style="dim", no_wrap=True)
        grid.add_column(no_wrap=True)
        labels = Text("\n".join(edges[rows - 1 :: -1]))
        grid.add_row(labels, draw(shares, lines=rows, colour=console.color_system is not None))
        begin, end = f"{why.times_s[0]:.1f} s", f"{why.times_s[-1]:.1f} s"
        gap = " " * max(1, len(shares) - len(begin) - len(end))
        grid.add_row("", Text(begin + gap + end, style="dim"))
        yield grid


def where(span: Span) -> str:
    """Times and frequencies of a region: `12.0-13.5 s, 300-1,200 Hz`."""
    digits = 1 if span.end_s - span.start_s >= 1 else 2
    times = f"{span.start_s:.{digits}f}-{span.end_s:.{digits}f} s"
    return f"{times}, {span.low_hz:,.0f}-{span.high_hz:,.0f} Hz"


def falls(span: Span) -> str:
    """The probability without and with the attenuation: `from 0.91 to 0.35`."""
    return f"from {_probability(span.before)} to {_probability(span.after)}"


def sentences(why: Why) -> Iterator[str]:
    """The region with the largest drop, further ones, and which segments were not searched."""
    if not why.segments:
        yield f"{why.label} rests on nothing: the clip is silent"
    elif not why.spans:
        yield f"{why.label} rests on no single part: no attenuated part makes it less probable"
    else:
        first = why.spans[0]
        drop = f"attenuated by {why.decibels:g} dB, its probability there falls {falls(first)}"
        if first.before - first.after < _SMALL_DROP:
            yield (f"{why.label} rests on no single part; the largest drop is at {where(first)}: {drop}")
        else:
            yield f"{why.label} rests most on {where(first)}: {drop}"
    for span in why.spans[1:]:
        yield f"then on {where(span)}: {falls(span)}"
    if why.searched < why.segments:
        yield (
            f"searched: the {why.searched} of {why.segments} segments in which {why.label} is most probable"
        )


def _probability(value: float) -> str:
    """Two decimals, or up to four if fewer would round it to 0 or 1."""
    for digits in (2, 3, 4):
        if 10**-digits / 2 <= value <= 1 - 10**-digits / 2:
            return f"{value:.{digits}f}"
    return f"{value:.2f}"
