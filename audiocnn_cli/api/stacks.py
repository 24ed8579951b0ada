"""Stacks of layers for Python."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from audiocnn_cli.api.shared import notebook_html
from audiocnn_cli.errors import ImpossibleShapeError, UsageError
from audiocnn_cli.output.views.shapes import document, row
from audiocnn_cli.shapes.report import Report
from audiocnn_cli.shapes.work_out import StackRequest, report_of

if TYPE_CHECKING:
    import pandas as pd


def shapes(
    input: Any = None,
    *layers: str,
    arch: str | None = None,
    framework: str | None = None,
    like: str | None = None,
) -> LayerStack:
    """Compute the shape after every layer, with parameters, multiply-accumulates and receptive field.

    Args:
        input: shape without the batch and with channels last, (130, 13, 1) or "130x13x1"; or the path of an
            .onnx file; None takes the input of `arch`.
        layers: in order, as on the command line: "conv:32@3x3/2,same", "pool:2", "flatten", "dense:10".
        arch: a named architecture in place of layers, such as "cnn" or "resnet18".
        framework: whose rules: "keras" (default), "torch" or "onnx".
        like: what the axes are: "spectrogram" (default), "waveform" or "image".

    Raises:
        ImpossibleShapeError: the stack can't be built on the input; its `stack` holds the layers before
            the one that failed, its `fixes` what would help.
        UsageError: a layer or a name makes no sense.

    Example:
        >>> import audiocnn_cli as audiocnn
        >>> audiocnn.shapes((130, 13, 1), "conv:32@3x3", "pool:3/2,same").output
        (64, 6, 32)
    """
    is_file = isinstance(input, (str, os.PathLike)) and os.fspath(input).endswith(".onnx")
    if is_file and (layers or arch):
        raise UsageError("give either an .onnx file, or layers, or `arch`")
    request = StackRequest(
        layers=(os.fspath(input),) if is_file else layers,
        arch=arch,
        input_shape=None if is_file or input is None else _shape_text(input),
        framework=framework,
        like=like,
    )
    stack = LayerStack(report_of(request))
    if stack.report.collapse is not None:
        error = ImpossibleShapeError(stack.report.collapse.sentence)
        error.stack, error.fixes = stack, tuple(stack.to_dict()["error"]["fixes"])
        raise error
    return stack


class LayerStack:
    """The layers of a stack with their shapes.

    Attributes:
        output: shape after the last layer, without the batch; a size that is free is its name.
        params: trainable parameters.
        macs: multiply-accumulates for one example; None where a free size decides them.
        layers: a dictionary for each layer, with the keys of `audiocnn shapes --json`.
    """

    def __init__(self, report: Report) -> None:
        self.report = report
        found = self.to_dict()
        self.output = tuple(report.trace.output)
        self.params: int | None = found.get("params")
        self.macs: int | None = found.get("macs")
        self.layers: list[dict[str, Any]] = found["layers"]

    def to_dict(self) -> dict[str, Any]:
        """The document that `audiocnn shapes --json` prints."""
        return document(self.report)

    def to_pandas(self) -> pd.DataFrame:
        """A data frame with a row a layer."""
        import pandas as pd

        return pd.DataFrame([row(step) for step in self.report.trace.steps])

    def __len__(self) -> int:
        return len(self.report.trace.steps)

    def __repr__(self) -> str:
        ends = " -> ".join(_shape(shape) for shape in (self.report.trace.input, self.output))
        return f"<LayerStack of {len(self)} layers: {ends}, {self.params or 0:,} parameters>"

    def _repr_html_(self) -> str:
        rows = [
            {
                "layer": layer["text"],
                "output": _shape(layer["output"]),
                "parameters": f"{layer['params']:,}",
                "formula": "; ".join(layer.get("formula", ())),
            }
            for layer in self.layers
        ]
        return notebook_html(self, rows)


def _shape_text(shape: Any) -> str:
    if isinstance(shape, (str, os.PathLike)):
        return str(shape)
    return "x".join(str(size) for size in (shape if isinstance(shape, Sequence) else (shape,)))


def _shape(sizes: Sequence[object]) -> str:
    return "x".join(map(str, sizes))
