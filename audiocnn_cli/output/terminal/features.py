"""Pictures of a feature over time for the terminal: a reduced tensor of each recording, and its drawing."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.features.config import Feature
from audiocnn_cli.features.plan import columns as column_names
from audiocnn_cli.features.result import FeatureResult
from audiocnn_cli.output.terminal.heatmap import bars, draw, levels, shrink

if TYPE_CHECKING:  # pictures are kept in reports that may never be drawn
    from rich.console import Console, ConsoleOptions
    from rich.measure import Measurement

# As many columns as the narrowest usual terminal has room for.
_COLUMNS = 76
_OUTLINE = 32
_SHORTEST_OUTLINE = 8
_ROWS = 24
# Fewer bins than so many lines are drawn thicker.
_LINES = 12
# Bins of one kind share a scale; cepstral coefficients and mixtures have one each.
_ONE_SCALE = frozenset(
    {Feature.STFT, Feature.COMPLEX, Feature.MEL, Feature.LOGMEL, Feature.PCEN, Feature.CHROMA}
)
LINEAR_SPECTRA = frozenset({Feature.STFT, Feature.COMPLEX, Feature.MEL})


@dataclass(frozen=True, slots=True)
class FeaturePicture:
    """Some columns and rows of a tensor of `frames` and `bins`, that Rich draws as wide as the console is.

    `shares` has shape (columns, rows), 0 to 1, the first bin first. `across` and `upwards` name the axes,
    `notes` are further remarks.
    """

    shares: NDArray[np.float64]
    frames: int
    bins: int
    across: str
    upwards: str
    notes: tuple[str, ...]

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> Iterator[Any]:
        from rich.text import Text

        shares = shrink(self.shares.astype(np.float32), width=options.max_width, height=_ROWS)
        columns, rows = shares.shape
        if rows == 1:
            yield bars(shares[:, 0].tolist(), rows=_LINES)
        else:
            yield draw(shares, lines=_LINES, colour=console.color_system is not None)
        about = "about " if columns < len(self.shares) else ""
        frames = _merged(self.frames, columns, "frames a column", about=about)
        across = f"{self.across} to the right{frames}"
        upwards = f"{self.upwards} upwards{_merged(self.bins, rows, 'a row')}"
        yield Text("; ".join([across, upwards, *self.notes]), style="dim")


@dataclass(frozen=True, slots=True)
class Outline:
    """The mean over the bins of a picture as a line of bars, lowest to highest, as wide as there is room."""

    picture: FeaturePicture

    def __rich_measure__(self, console: "Console", options: "ConsoleOptions") -> "Measurement":
        from rich.measure import Measurement

        return Measurement(_SHORTEST_OUTLINE, _OUTLINE).with_maximum(options.max_width)

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> Iterator[Any]:
        line = self.picture.shares.mean(axis=1, keepdims=True).astype(np.float32)
        line = shrink(line, width=min(_OUTLINE, options.max_width), height=1)
        yield bars(levels(line, each_bin=False)[:, 0].tolist(), rows=1)


def picture_of(result: FeatureResult) -> FeaturePicture:
    """What is kept of a tensor to draw it: the magnitude of complex numbers, the first of its channels."""
    plan = result.tensor.plan
    features = {config.feature for config in plan.configs}
    notes = []
    data = result.tensor.data
    across = f"{plan.excerpt.offset_s:.2f} to {plan.excerpt.offset_s + result.tensor.duration_s:.2f} s"
    if plan.segmentation:
        across = f"{len(data)} segments from {across}"
        data = data.reshape(-1, *data.shape[2:])
    if result.tensor.rest is not None:
        across = across.replace(" from", " and the rest from", 1)
        data = np.concatenate([data, result.tensor.rest])
    if "channel" in result.tensor.axes:
        count = data.shape[-1] // (2 if Feature.COMPLEX in features else 1)
        notes += [f"the first of {count} channels"] if count > 1 else []
        data = np.hypot(data[..., 0], data[..., 1]) if Feature.COMPLEX in features else data[..., 0]
    if Feature.WAVEFORM in features:
        data = np.abs(data)
    if plan.may_hold_nan:
        data = np.nan_to_num(data)
    small = shrink(data, width=_COLUMNS, height=_ROWS)
    if features <= LINEAR_SPECTRA:
        small = np.log(np.maximum(small, small.max() * 1e-4 + 1e-30))
        notes.append("logarithmic")
    own_scales = not features <= _ONE_SCALE and data.shape[1] > 1
    notes += ["each on its own scale"] if own_scales else []
    return FeaturePicture(
        levels(small, each_bin=own_scales),
        frames=len(data),
        bins=data.shape[1],
        across=across,
        upwards=_upwards(column_names(plan.configs), features),
        notes=tuple(notes),
    )


def _upwards(names: list[str], features: set[Feature]) -> str:
    if Feature.WAVEFORM in features:
        return "absolute value"
    span = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
    return f"magnitude of {span}" if Feature.COMPLEX in features else span


def _merged(count: int, places: int, what: str, *, about: str = "") -> str:
    """How many of `count` things are drawn as one, where there are fewer places than things."""
    if places >= count:
        return ""
    few, more = count // places, -(-count // places)
    many = str(few) if few == more else f"{few} or {more}"
    return f" (the mean of {about}{many} {what})"
