"""The diagrams of a page: the shapes of an SVG of 100 by 100 units, with the origin at the top."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from audiocnn_cli.evaluation.metrics import Calibration

_GAP = 0.6
# The height of the tallest bar of the number of clips.
_TALLEST = 22.0


@dataclass(frozen=True, slots=True)
class BinShape:
    """The bars of one bin that has clips, and its words."""

    x: float
    width: float
    accuracy_y: float
    accuracy_height: float
    mean_x: float
    count_height: float
    text: str


def reliability(calibration: Calibration) -> tuple[BinShape, ...]:
    """A bar as high as the accuracy of each bin, a dot at its mean confidence, and a bar of its clips."""
    most = max(each.n for each in calibration.bins)
    return tuple(
        BinShape(
            x=round(100 * each.low + _GAP / 2, 2),
            width=round(100 * (each.high - each.low) - _GAP, 2),
            accuracy_y=round(100 * (1 - each.accuracy), 2),
            accuracy_height=round(100 * each.accuracy, 2),
            mean_x=round(100 * each.confidence, 2),
            count_height=round(_TALLEST * each.n / most, 2),
            text=(
                f"probability {each.low:.2f} to {each.high:.2f}: {each.n} clip{'s' * (each.n != 1)}, mean"
                f" {each.confidence:.2f}, accuracy {each.accuracy:.2f}"
            ),
        )
        for each in calibration.bins
        if each.accuracy is not None and each.confidence is not None
    )


@dataclass(frozen=True, slots=True)
class Scatter:
    """Points in the order of the clips, and the ticks of both axes, which have the same ends."""

    points: tuple[tuple[float, float], ...]
    ticks: tuple[tuple[float, str], ...]


def scatter(true: Sequence[float], found: Sequence[float]) -> Scatter:
    """Each value above its target; on the diagonal both are the same."""
    low, high = min(*true, *found), max(*true, *found)
    if low == high:
        low, high = low - 0.5, high + 0.5
    step = _tick_step((high - low) / 4)
    first, last = math.floor(low / step), math.ceil(high / step)
    start, length = first * step, (last - first) * step

    def at(value: float) -> float:
        return round(100 * (value - start) / length, 2)

    return Scatter(
        points=tuple((at(x), round(100 - at(y), 2)) for x, y in zip(true, found, strict=True)),
        ticks=tuple((at(i * step), f"{i * step:.6g}") for i in range(first, last + 1)),
    )


def _tick_step(least: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is at least `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least * (1 - 1e-9))
