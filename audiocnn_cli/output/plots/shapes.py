"""A drawing of a stack: one block for each tensor, its sides growing with the tensor's sizes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audiocnn_cli.extras import require_extra
from audiocnn_cli.output.plots.figure import save_picture
from audiocnn_cli.output.terminal.console import display
from audiocnn_cli.shapes.report import Report
from audiocnn_cli.shapes.sizes import Shape, show_shape

_MOST_IN_A_ROW = 10
_DEPTH = 0.45  # offset to the right and up of an oblique edge of length 1
_GAP = 0.6
_LEAST_WIDTH = 2.4  # room for a label
_COLORS = {
    "input": "#9aa5b1",
    **dict.fromkeys(("conv", "depthwise", "patches"), "#4c8bf5"),
    "convtranspose": "#7b61ff",
    **dict.fromkeys(("maxpool", "avgpool", "globalavgpool"), "#e8710a"),
    "dense": "#1e9e5a",
    **dict.fromkeys(("lstm", "gru", "rnn"), "#b8860b"),
    "attention": "#c2185b",
}
_OTHER_COLOR = "#cfd8dc"


@dataclass(frozen=True)
class _Block:
    """A tensor to draw: the label of its layers, its shape and its color."""

    label: str
    shape: Shape
    color: str

    @property
    def sides(self) -> tuple[float, float, float]:
        """Width (channels), height (second axis) and depth (first axis), on a logarithmic scale."""
        *spatial, channels = (_side(size) for size in self.shape or (1,))
        if not spatial:
            return 0.35, channels, 0.35
        depth, height = (*spatial, 0.35)[:2]
        return 0.5 * channels, height, depth

    @property
    def room(self) -> float:
        width, _, depth = self.sides
        return max(width + _DEPTH * depth, _LEAST_WIDTH)


def _side(size: int | str) -> float:
    return 0.25 + 0.35 * math.log2(size + 1) if isinstance(size, int) else 1.0


def draw(report: Report, path: Path, *, kind: str, force: bool) -> None:
    """Draw the stack into `path`, as 'svg' or 'png'.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OutputError: the file can't be written.
    """
    require_extra("plot", "a drawing")
    from matplotlib.figure import Figure

    blocks = _blocks(report)
    a_row = math.ceil(len(blocks) / math.ceil(len(blocks) / _MOST_IN_A_ROW))
    rows = [blocks[start : start + a_row] for start in range(0, len(blocks), a_row)]
    # One scale for all rows.
    top = max(height + _DEPTH * depth for _, height, depth in (block.sides for block in blocks))
    right = max(sum(block.room + _GAP for block in row) for row in rows)
    figure = Figure(figsize=(14, (top + 3) * 14 / right * len(rows) + 0.5), layout="constrained")
    for axes, row in zip(figure.subplots(len(rows), squeeze=False)[:, 0], rows, strict=True):
        _draw_row(axes, row, top)
        axes.set(xlim=(-0.2, right), ylim=(-1.0, top + 2.0), aspect="equal")
        axes.set_axis_off()
    title = report.trace.title or "audiocnn shapes"
    figure.suptitle(f"{display(title)}: {report.trace.params:,} parameters", fontsize=13)
    save_picture(figure, path, kind=kind, force=force)


def _blocks(report: Report) -> list[_Block]:
    """The input and every tensor whose shape differs from the one before it.

    Layers that keep the shape are added to the label of the block before them.
    """
    blocks = [_Block("input", report.trace.input, _COLORS["input"])]
    for step in report.trace.steps:
        text = display(step.text.partition(",")[0])
        if step.output == blocks[-1].shape and len(blocks) > 1:
            last = blocks[-1]
            # Of a long run of layers that keep the shape only the first two are named.
            more = "..." if last.label.count("\n") > 1 else text
            label = last.label if last.label.endswith("...") else f"{last.label}\n{more}"
            blocks[-1] = _Block(label, last.shape, last.color)
        else:
            blocks.append(_Block(text, step.output, _COLORS.get(step.type, _OTHER_COLOR)))
    return blocks


def _draw_row(axes: Any, blocks: Sequence[_Block], top: float) -> None:
    x = 0.0
    for block in blocks:
        width, height, depth = block.sides
        left = x + (block.room - width - _DEPTH * depth) / 2
        _draw_block(axes, left, width, height, depth, block.color)
        middle = x + block.room / 2
        axes.text(middle, -0.25, show_shape(block.shape), ha="center", va="top", fontsize=9)
        axes.text(middle, top + 0.3, block.label, ha="center", va="bottom", fontsize=8, color="#333333")
        x += block.room + _GAP


def _draw_block(axes: Any, x: float, width: float, height: float, depth: float, color: str) -> None:
    """Draw a box in oblique projection: its front, top and right side."""
    from matplotlib.patches import Polygon

    shift = _DEPTH * depth
    front = ((x, 0), (x + width, 0), (x + width, height), (x, height))
    top = (front[3], front[2], *((left + shift, height + shift) for left in (x + width, x)))
    side = (front[1], (x + width + shift, shift), (x + width + shift, height + shift), front[2])
    for corners, alpha in ((front, 0.95), (top, 0.65), (side, 0.8)):
        axes.add_patch(
            Polygon(corners, closed=True, facecolor=color, alpha=alpha, edgecolor="white", linewidth=0.8)
        )
