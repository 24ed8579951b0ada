"""Which times and frequencies a label rests on: parts of the sound are turned down, one after the other.

What the label loses when a part of the recording is turned down by 30 dB is what it rests on there. The
sound itself is changed, not the features: so it works for any model, and the frequencies are those of the
sound also where the features, as cepstral coefficients, have none.

Source: Zeiler and Fergus, ECCV 2014 (occlusion).
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from audiocnn_cli.audio.decode import open_audio
from audiocnn_cli.audio.load import WHOLE, Excerpt, mono_blocks
from audiocnn_cli.audio.segments import Segment, cut
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.inspection.bands import Part, inside, split
from audiocnn_cli.inspection.batches import batches
from audiocnn_cli.inspection.search import Grid, choose_grid, most_segments, strongest
from audiocnn_cli.models.inference import ModelStream, is_silent, tensor_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DECIBELS = 30.0
_BATCH = 16
_MOST_SPANS = 3
# Nearly all of the work is in NumPy and ONNX Runtime, which leave Python to another thread.
_THREADS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A part that the label rests on.

    `before` and `after` are the label's mean probability in the `segments` that the part lies in, as they are
    and with the part turned down.
    """

    start_s: float
    end_s: float
    low_hz: float
    high_hz: float
    before: float
    after: float
    segments: int

    @property
    def weight(self) -> float:
        """What the clip's label loses without the part, next to other parts of the clip."""
        return (self.before - self.after) * self.segments


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """What the label of a clip rests on.

    `drops` of shape (times, bands) says by how much the label's probability for the clip falls when that
    part is turned down by `decibels`; it is below 0 where it rises, and NaN where it was not searched: of a
    long clip only `searched` of the `segments` that sound are, those in which the label is most probable.
    `times_s` and `bands_hz` are the edges of the parts. `spans` are the strongest, the one that matters most
    first.
    """

    label: str
    times_s: tuple[float, ...]
    bands_hz: tuple[float, ...]
    drops: "NDArray[np.float64]"
    spans: tuple[Span, ...]
    segments: int
    searched: int
    decibels: float = DECIBELS


def explain_label(
    source: Source, listener: ModelStream, label: str, excerpt: Excerpt = WHOLE
) -> Why:
    """Search `source` for what `label` rests on; the work is bounded whatever the clip's length.

    Raises:
        SignalError: the source can't be used.
    """
    rate = listener.model.signature.features.sample_rate
    judge = _Judge(listener, label)
    heard = _Heard(judge, most_segments(rate))
    with open_audio(source) as reader:
        start_s = excerpt.span(reader.info)[0] / reader.info.sample_rate
        blocks = mono_blocks(reader, sample_rate=rate, excerpt=excerpt)
        for batch in batches(cut(blocks, listener.segment), _BATCH):
            heard.add(batch)
    grid = choose_grid(heard.count, end=heard.end, hop=listener.segment.hop, sample_rate=rate)
    drops = _drops(heard, judge, grid)
    parts = strongest(drops, grid, most=_MOST_SPANS)
    spans = [_span(part, heard.segments, judge, grid, start_s) for part in parts]
    return Why(
        label=label,
        times_s=tuple(start_s + time / rate for time in grid.times),
        bands_hz=grid.bands_hz,
        drops=drops,
        spans=tuple(sorted(spans, key=lambda span: -span.weight)),
        segments=heard.count,
        searched=len(heard.segments),
    )


def _drops(heard: "_Heard", judge: "_Judge", grid: Grid) -> "NDArray[np.float64]":
    """What each cell takes away from the clip's probability, in all segments that it lies in."""
    import numpy as np

    bands = range(grid.shape[1])
    drops = np.full(grid.shape, np.nan)

    def lost(held: _Held) -> "tuple[range, NDArray[np.float64]]":
        columns = grid.columns(held.segment.start, held.end)
        times = [(grid.times[column], grid.times[column + 1]) for column in columns]
        cells = [Part(start, end, band, band) for start, end in times for band in bands]
        return columns, judge.lost(held, cells, grid.bands_hz).reshape(len(columns), -1)

    with ThreadPoolExecutor(max_workers=_THREADS) as pool:
        for columns, taken in pool.map(lost, heard.segments):
            known = drops[columns.start : columns.stop]
            known[:] = np.nan_to_num(known) + taken / heard.count
    return drops


@dataclass(frozen=True, slots=True)
class _Held:
    """A segment and how probable it is that the label is wrong there."""

    segment: Segment
    against: float

    @property
    def end(self) -> int:
        """The first sample of the clip behind it."""
        return self.segment.start + self.segment.valid


class _Heard:
    """The segments of a clip that sound; of a long clip, those in which the label is most probable.

    `count` is how many sound, `end` the first sample behind the last segment.
    """

    def __init__(self, judge: "_Judge", most: int) -> None:
        self._judge = judge
        self._most = most
        self.segments: list[_Held] = []
        self.count = 0
        self.end = 0

    def add(self, segments: Sequence[Segment]) -> None:
        """Listen to some more segments."""
        import numpy as np

        self.end = segments[-1].start + segments[-1].valid
        sounding = [segment for segment in segments if not is_silent(segment)]
        if not sounding:
            return
        against = self._judge.against(np.stack([segment.samples for segment in sounding]))
        self.segments += [
            _Held(segment, float(doubt)) for segment, doubt in zip(sounding, against, strict=True)
        ]
        self.count += len(sounding)
        while len(self.segments) > self._most:
            against_most = max(range(len(self.segments)), key=lambda i: self.segments[i].against)
            del self.segments[against_most]


class _Judge:
    """A model that is asked about one label."""

    def __init__(self, listener: ModelStream, label: str) -> None:
        self._listener = listener
        self._signature = listener.model.signature
        self._index = self._signature.labels.index(label)

    def against(self, samples: "NDArray[np.float32]") -> "NDArray[np.float64]":
        """The probability that the label is wrong, for samples of shape (n, length): shape (n,).

        It is the sum of the other labels' probabilities where they exclude each other: near 0 that holds
        differences that 1 - p has lost.
        """
        import numpy as np

        tensors = np.stack([tensor_of(each, self._signature.features) for each in samples])
        model, member = self._listener.model, self._listener.member
        found = model.probabilities(tensors, member=member).astype(np.float64)
        if self._signature.multi_label:
            return np.asarray(1.0 - found[:, self._index])
        return np.asarray(np.delete(found, self._index, axis=1).sum(axis=1))

    def lost(
        self, held: _Held, parts: Sequence[Part], bands_hz: tuple[float, ...]
    ) -> "NDArray[np.float64]":
        """How much of the label's probability in a segment each part takes away when it is turned down."""
        import numpy as np

        samples = held.segment.samples
        rate = self._signature.features.sample_rate
        ranges = sorted({(part.first, part.last) for part in parts})
        sounds = dict(zip(ranges, split(samples, bands_hz, ranges, sample_rate=rate), strict=True))
        # A clip shorter than a segment is repeated in it: a part of it is there several times.
        at = held.segment.start + np.arange(len(samples)) % held.segment.valid
        quieter = _turned_down(samples, sounds, parts, at=at, sample_rate=rate)
        found = [self.against(np.stack(batch)) for batch in batches(quieter, _BATCH)]
        return np.concatenate(found) - held.against


def _turned_down(
    samples: "NDArray[np.float32]",
    sounds: "Mapping[tuple[int, int], NDArray[np.float32]]",
    parts: Sequence[Part],
    *,
    at: "NDArray[np.int64]",
    sample_rate: int,
) -> "Iterator[NDArray[np.float32]]":
    """`samples` with one part after the other turned down; neighbours in frequency share their window."""
    import numpy as np

    lost = np.float32(1 - 10 ** (-DECIBELS / 20))
    for (start, end), together in groupby(parts, key=lambda part: (part.start, part.end)):
        window = lost * inside(start, end, at, sample_rate=sample_rate)
        for part in together:
            yield samples - window * sounds[part.first, part.last]


def _span(part: Part, segments: list[_Held], judge: _Judge, grid: Grid, start_s: float) -> Span:
    """The part, and what the label's segments lose without it."""
    touched = [each for each in segments if each.segment.start < part.end and each.end > part.start]
    lost = [float(judge.lost(each, [part], grid.bands_hz)[0]) for each in touched]
    before = sum(1.0 - each.against for each in touched) / len(touched)
    rate = grid.bands_hz[-1] * 2
    return Span(
        start_s=start_s + part.start / rate,
        end_s=start_s + part.end / rate,
        low_hz=grid.bands_hz[part.first],
        high_hz=grid.bands_hz[part.last + 1],
        before=before,
        after=before - sum(lost) / len(touched),
        segments=len(touched),
    )
