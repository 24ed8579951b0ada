"""Which times and frequencies a label rests on: parts of the sound are turned down, one after the other.

What the label loses when a part of the recording is turned down by 30 dB is what it rests on there. The sound
itself is changed, not the features: so it works for any model, and the frequencies are those of the sound also
where the features, as cepstral coefficients, have none. Source: Zeiler and Fergus, ECCV 2014 (occlusion).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audiocnn_cli.audio.decode import open_audio
from audiocnn_cli.audio.load import mono_blocks
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.features.extract import extract
from audiocnn_cli.inspection.bands import Part, band_edges, split, turned_down
from audiocnn_cli.inspection.search import Grid, choose_grid, grown, strongest
from audiocnn_cli.models.contract import Activation
from audiocnn_cli.models.segments import Segment, cut
from audiocnn_cli.models.session import Model

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DECIBELS = 30.0
_BATCH = 16
_MOST_SPANS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A part that the label rests on.

    `before` and `after` are the label's mean probability in the segments that the part lies in, as they are
    and with the part turned down.
    """

    start_s: float
    end_s: float
    low_hz: float
    high_hz: float
    before: float
    after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """What the label of a clip rests on.

    `drops` of shape (times, bands) says by how much the label's probability for the clip falls when that part
    is turned down by `decibels`, below 0 where it rises, NaN where it was not searched: of a long clip, only
    `searched` of its `segments` are, those in which the label is the most probable. `times_s` and `bands_hz` are
    the edges of the parts. `spans` are the strongest, first the one that matters most.
    """

    label: str
    times_s: tuple[float, ...]
    bands_hz: tuple[float, ...]
    drops: "NDArray[np.float64]"
    spans: tuple[Span, ...]
    segments: int
    searched: int
    decibels: float = DECIBELS


def explain_label(source: Source, model: Model, label: str) -> Why:
    """Search `source` for what `label` rests on; the work is bounded whatever the clip's length.

    Raises:
        SignalError: the source can't be used.
    """
    import numpy as np

    occlusion = _Occlusion(source, model, label)
    places, shares = occlusion.answers()
    grid = choose_grid(places, shares, model.contract.segment.hop, model.contract.features.sample_rate)
    edges = band_edges(grid.sample_rate, per_octave=grid.per_octave)
    drops = np.full((len(grid.times) - 1, len(edges) - 1), np.nan)
    for segment in occlusion.segments(grid.searched):
        cells = grid.cells_of(segment.start, segment.start + segment.valid)
        parts = [
            Part(grid.times[cell], grid.times[cell + 1], band, band)
            for cell in cells
            for band in range(len(edges) - 1)
        ]
        lost = occlusion.lost(segment, parts, edges).reshape(len(cells), -1)
        known = np.nan_to_num(drops[list(cells)])
        drops[list(cells)] = known + lost / len(places)
    spans = tuple(
        occlusion.span(part, edges, grid)
        for part in (grown(drops, peak, grid) for peak in strongest(drops, _MOST_SPANS))
    )
    return Why(
        label=label,
        times_s=tuple(time / grid.sample_rate for time in grid.times),
        bands_hz=edges,
        drops=drops,
        spans=spans,
        segments=len(places),
        searched=len(grid.searched),
    )
