"""The reliability diagram of a page: the shapes of an SVG of 100 by 100 units, with the origin at the top."""

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
