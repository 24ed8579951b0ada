"""A stack of layers as JSON and CSV, and the choice of the view for each format."""

from collections.abc import Iterator
from typing import Any

from audiocnn_cli.output.destination import Destination, Format
from audiocnn_cli.output.results import Row, dump, write_rows
from audiocnn_cli.output.views import pick
from audiocnn_cli.parameters import with_flags
from audiocnn_cli.shapes.clip import Clip
from audiocnn_cli.shapes.grammar import show_layer
from audiocnn_cli.shapes.report import Collapse, Report
from audiocnn_cli.shapes.sizes import type_sizes
from audiocnn_cli.shapes.step import Step
from audiocnn_cli.shapes.trace import GraphTotals


def write_report(report: Report, destination: Destination) -> None:
    """Write the report of one stack in the format of `destination`."""
    with destination.open() as stream:
        if destination.format is Format.JSON:
            dump(document(report), stream)
        elif destination.format is Format.JSONL:
            for layer in _layers(report):
                dump(layer, stream, indent=None)
        elif destination.format is Format.CSV:
            write_rows(map(row, report.trace.steps), stream, header=_COLUMNS)
        else:
            from audiocnn_cli.output.views.shape_table import write_markdown, write_table

            write = write_markdown if destination.format is Format.MARKDOWN else write_table
            write(report, stream)


def document(report: Report) -> dict[str, Any]:
    """The JSON document of a stack, whether it runs or collapses."""
    trace = report.trace
    shared: dict[str, Any] = {
        "title": trace.title or None,
        "paper": report.paper or None,
        "framework": trace.framework,
        "clip": _clip_document(report),
        "input": trace.input,
        "layers": list(_layers(report)),
    }
    if report.notes:
        shared["notes"] = list(map(with_flags, report.notes))
    if len(ends := trace.ends) > 1 and not report.collapse:
        shared["outputs"] = [{"name": name, "shape": shape} for name, shape in ends]
    if report.collapse:
        found = {"error": _error_document(report.collapse)} | shared
    else:
        found = shared | {
            "output": trace.output,
            "params": trace.params,
            "non_trainable_params": trace.non_trainable_params,
            "macs": trace.macs if trace.has_all_macs else None,
        }
        if trace.graph is not None:
            return _without_nothing(found | _graph_document(report, trace.graph)) | {"macs": found["macs"]}
    return _without_nothing(found)


def _graph_document(report: Report, graph: GraphTotals) -> dict[str, Any]:
    """What the document of an ONNX file has besides."""
    return {
        "inputs": [pick(end, "name", "shape") for end in graph.inputs],
        "outputs": [pick(end, "name", "shape") for end in graph.outputs],
        "macs_known": None if report.trace.has_all_macs else report.trace.macs,
        "uncounted": [{"op": name, "count": count} for name, count in report.uncounted],
        "uncounted_params": report.uncounted_params or None,
        "weight_bytes": graph.weight_bytes,
        "peak_activation_bytes": graph.peak_bytes,
    }


def _layers(report: Report) -> Iterator[dict[str, Any]]:
    for step in report.trace.steps:
        explanation = report.explained.get(step.number)
        more = {"explanation": explanation, "macs_share": report.share(step)}
        yield _without_nothing(_layer_document(step, report.clip) | more)


def _error_document(collapse: Collapse) -> dict[str, Any]:
    error = collapse.error
    return {
        "layer": error.number,
        "name": error.name,
        "text": show_layer(error.layer),
        "axis": collapse.axis,
        "reason": error.reason,
        "fixes": [fix.text for fix in collapse.fixes],
        "commands": collapse.commands,
    }


def _clip_document(report: Report) -> dict[str, Any] | None:
    clip = report.clip
    if clip is None:
        return None
    document = pick(clip, "samples", "sample_rate", "hop_length", "n_fft", "bins")
    return _without_nothing(document | pick(report, "shortest_frames", "shortest_samples"))


def _layer_document(step: Step, clip: Clip | None = None) -> dict[str, Any]:
    """One object of `layers`; keys that a layer has no use for are left out."""
    values: dict[str, Any] = {name: getattr(step, name) for name in _ATTRIBUTES}
    for name in ("receptive_field_ms", "cumulative_stride_ms", "receptive_field_hz"):
        values[name] = getattr(clip, name)(step) if clip else None
    for name in ("non_trainable_params", "receptive_field", "differs", "depth", "block"):
        values[name] = getattr(step, name) or None
    values["receptive_field_gate"] = step.gate_text or None
    for suffix in ("", "_ms"):  # the earlier name of the cumulative stride
        values["jump" + suffix] = values["cumulative_stride" + suffix]
    return _without_nothing(values)


def _without_nothing(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if value is not None}


_ATTRIBUTES = (
    "name", "type", "text", "sources", "input", "output", "kernel", "stride", "padding", "pad", "dilation",
    "groups", "filters", "units", "heads", "rate", "activation", "return_sequences", "bidirectional", "ceil",
    "params", "non_trainable_params", "macs", "activation_bytes", "receptive_field", "cumulative_stride",
    "formula",
)  # fmt: skip
_COLUMNS = (
    "number", "name", "type", "input", "output", "kernel", "stride", "padding", "pad", "dilation", "groups",
    "filters", "units", "rate", "activation", "params", "macs", "activation_bytes", "receptive_field",
    "cumulative_stride", "jump",
)  # fmt: skip


def row(step: Step) -> Row:
    """One CSV row: shapes as 130x13x1, padding as top,bottom,left,right."""
    values = _layer_document(step) | {"number": step.number}
    if step.pad is not None:
        values["pad"] = ",".join(str(side) for axis in step.pad for side in axis)
    cells = {column: values.get(column, "") for column in _COLUMNS}
    return {name: type_sizes(cell) if isinstance(cell, tuple) else cell for name, cell in cells.items()}
