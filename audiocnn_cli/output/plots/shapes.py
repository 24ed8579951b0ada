"""A stack of layers as a picture: one block a tensor, whose sides grow with the tensor's sizes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from audiocnn_cli.output.plots.figure import require_drawing, save_picture
from audiocnn_cli.output.terminal.console import display
from audiocnn_cli.shapes.report import Report
from audiocnn_cli.shapes.sizes import Shape, show_shape

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_A_ROW = 10  # blocks side by side, at most
_DEPTH = 0.45  # how far an oblique edge goes to the right and up, for each unit of length
_GAP = 0.6
_LEAST_WIDTH = 2.4  # room for a label
_COLORS = {
    "input": "#9aa5b1",
    "conv": "#4c8bf5",
    "depthwise": "#4c8bf5",
    "convtranspose": "#7b61ff",
    "patches": "#4c8bf5",
    "maxpool": "#e8710a",
    "avgpool": "#e8710a",
    "globalavgpool": "#e8710a",
    "dense": "#1e9e5a",
    "lstm": "#b8860b",
    "gru": "#b8860b",
    "rnn": "#b8860b",
    "attention": "#c2185b",
}
_OTHER_COLOR = "#cfd8dc"


@dataclass(frozen=True)
class _Block:
    """A tensor to draw: what made it, its shape and its color."""

    label: str
    shape: Shape
    color: str

    @property
    def sides(self) -> tuple[float, float, float]:
        """Width (channels), height (second axis) and depth (first axis), each growing with the logarithm."""
        *spatial, channels = (_side(size) for size in self.shape)
        if not spatial:
            return 0.35, channels, 0.35
        depth, height = (spatial[0], 0.35) if len(spatial) == 1 else (spatial[0], spatial[1])
        return 0.5 * channels, height, depth

    @property
    def room(self) -> float:
        """How much of a row it takes."""
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
    require_drawing("a drawing")
    from matplotlib.figure import Figure

    blocks = _blocks(report)
    a_row = math.ceil(len(blocks) / math.ceil(len(blocks) / _A_ROW))
    rows = [blocks[start : start + a_row] for start in range(0, len(blocks), a_row)]
    # One scale for all rows.
    top = max(height + _DEPTH * depth for _, height, depth in (block.sides for block in blocks))
    right = max(sum(block.room + _GAP for block in row) for row in rows)
    figure = Figure(figsize=(14, (top + 3) * 14 / right * len(rows) + 0.5), layout="constrained")
    for axes, row in zip(figure.subplots(len(rows), squeeze=False)[:, 0], rows, strict=True):
        _draw_row(axes, row, top)
        axes.set_xlim(-0.2, right)
        axes.set_ylim(-1.0, top + 2.0)
        axes.set_aspect("equal")
        axes.set_axis_off()
    title = report.trace.title or "audiocnn shapes"
    figure.suptitle(f"{display(title)}: {report.trace.params:,} parameters", fontsize=13)
    save_picture(figure, path, kind=kind, force=force)


def _blocks(report: Report) -> list[_Block]:
    """The input and every tensor that differs from the one before it; layers between share its label."""
    blocks = [_Block("input", report.trace.input, _COLORS["input"])]
    for step in report.trace.steps:
        text = display(step.text.partition(",")[0])
        if step.output == blocks[-1].shape and len(blocks) > 1:
            last = blocks[-1]
            # A long run of layers that keep the shape would hide the picture: two are named.
            more = "..." if last.label.count("\n") > 1 else text
            label = last.label if last.label.endswith("...") else f"{last.label}\n{more}"
            blocks[-1] = _Block(label, last.shape, last.color)
        else:
            color = _COLORS.get(step.type, _OTHER_COLOR)
            blocks.append(_Block(text, step.output, color))
    return blocks


def _draw_row(axes: "Axes", blocks: Sequence[_Block], top: float) -> None:
    x = 0.0
    for block in blocks:
        width, height, depth = block.sides
        left = x + (block.room - width - _DEPTH * depth) / 2
        _draw_block(axes, left, width, height, depth, block.color)
        middle = x + block.room / 2
        shape = show_shape(block.shape)
        axes.text(middle, -0.25, shape, ha="center", va="top", fontsize=9)
        axes.text(
            middle, top + 0.3, block.label, ha="center", va="bottom", fontsize=8, color="#333333"
        )
        x += block.room + _GAP


def _draw_block(
    axes: "Axes", x: float, width: float, height: float, depth: float, color: str
) -> None:
    """A box in oblique projection: its front, its top and its right side."""
    from matplotlib.patches import Polygon

    shift = _DEPTH * depth
    faces = (
        (((x, 0), (x + width, 0), (x + width, height), (x, height)), 0.95),
        (
            (
                (x, height),
                (x + width, height),
                (x + width + shift, height + shift),
                (x + shift, height + shift),
            ),
            0.65,
        ),
        (
            (
                (x + width, 0),
                (x + width + shift, shift),
                (x + width + shift, height + shift),
                (x + width, height),
            ),
            0.8,
        ),
    )
    for corners, alpha in faces:
        axes.add_patch(
            Polygon(
                corners, closed=True, facecolor=color, alpha=alpha, edgecolor="white", linewidth=0.8
            )
        )
