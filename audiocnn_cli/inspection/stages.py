"""The stages from the file to a model's input tensor, measured while they run: shape, values, time.

The stages are those of `features.explain`, which describes each and predicts its shape.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.audio.decode import AudioReader, open_audio
from audiocnn_cli.audio.load import Excerpt, mix_down
from audiocnn_cli.audio.resample import resample_blocks
from audiocnn_cli.audio.segments import Cutter, Segment, SegmentConfig, TailHandling
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.features.cepstrum import floored
from audiocnn_cli.features.config import Feature, FeatureConfig
from audiocnn_cli.features.delta import with_deltas
from audiocnn_cli.features.explain import Recording, Stage, reading_stages, segments_stage, tensor_stages
from audiocnn_cli.features.extract import KINDS
from audiocnn_cli.features.frames import Framer
from audiocnn_cli.features.over_time import applied
from audiocnn_cli.features.plan import Plan
from audiocnn_cli.features.spectrum import Chunk, Scratch
from audiocnn_cli.inspection.meter import Meter, Values

_OF_A_CHUNK = {"frames": "frames", "window": "weighted_frames", "stft": "spectrum", "mel": "mel"}


@dataclass(frozen=True, slots=True)
class TracedStage:
    """A stage with the shape and values of its tensor, and its time in milliseconds.

    `values` is None for complex numbers.
    """

    stage: Stage
    shape: tuple[int, ...]
    values: Values | None
    ms: float

    @property
    def agrees(self) -> bool:
        """Whether the tensor has the shape that `features.explain` predicts."""
        return self.shape == self.stage.shape


class Pipeline:
    """Computes the input tensors of a recording stage by stage; `stages` is empty until the last tensor."""

    def __init__(
        self, source: Source, config: FeatureConfig, segment: SegmentConfig, excerpt: Excerpt
    ) -> None:
        self._source = source
        self._plan = Plan((config,), excerpt=excerpt)
        self._segment = segment
        self._scratch = Scratch()
        self._meters: defaultdict[str, Meter] = defaultdict(Meter)
        self._count = 0
        self._rest = TailHandling.NONE
        self._read: Recording | None = None

    def tensors(self) -> Iterator[tuple[Segment, NDArray[np.float32]]]:
        """Yield each segment and its tensor, shape (frames, bins), equal to that of `features.extract`.

        Raises:
            SignalError: the source can't be read.
        """
        with open_audio(self._source) as reader:
            samples = self._samples(reader)
            # The meter of the stage before the segments is the last so far.
            *_, last = self._meters.values()
            cutting = self._meters["segments"].over(
                self._cut(samples), after=last, piece=attrgetter("samples")
            )
            for segment in cutting:
                self._count += 1
                yield segment, self._tensor(segment.samples)
            info, frames = reader.info, self._meters["decode"].length
            self._read = Recording(info.path, info.sample_rate, info.channels, frames)

    def stages(self) -> list[TracedStage]:
        """The measured stages in order; empty before the last tensor."""
        if self._read is None:
            return []
        config, segment = self._plan.config, self._segment
        samples = -(-self._read.frames * config.sample_rate // self._read.sample_rate)
        reading = reading_stages(self._read, self._plan, samples)
        cutting = segments_stage(self._count, segment.length, segment.hop, str(self._rest))
        own = tensor_stages(self._plan, segment.length, (self._count,))
        traced = []
        for stage in (*reading, cutting, *own):
            meter = self._meters[stage.name]
            # All segments have equally many frames.
            of_segments = self._count, meter.length // max(1, self._count)
            first = (meter.length,) if stage in reading else of_segments
            traced.append(TracedStage(stage, (*first, *meter.rest), meter.values, 1000 * meter.seconds))
        return traced

    def _samples(self, reader: AudioReader) -> Iterator[NDArray[np.float32]]:
        """Mono blocks at the sample rate of the features, each stage measured."""
        config, info = self._plan.config, reader.info
        last = self._meters["decode"]
        start, frames = self._plan.excerpt.span(info)
        mono: Iterator[NDArray[np.float32]]
        mono = map(mix_down, last.over(reader.blocks(start=start, frames=frames)))
        if info.channels > 1:
            mixed = self._meters["mix down"]
            mono, last = mixed.over(mono, after=last), mixed
        if config.sample_rate != info.sample_rate:
            rates = {"source_rate": info.sample_rate, "sample_rate": config.sample_rate}
            mono = self._meters["resample"].over(resample_blocks(mono, **rates), after=last)
        return mono

    def _cut(self, samples: Iterator[NDArray[np.float32]]) -> Iterator[Segment]:
        cutter = Cutter(self._segment)
        for block in samples:
            yield from cutter.push(block)
        ending = cutter.finish()
        self._rest = ending.rest
        if ending.segment is not None:
            yield ending.segment

    def _tensor(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """The features of one segment, stage by stage."""
        config = self._plan.config
        names = [stage.name for stage in tensor_stages(self._plan, len(samples), ())]
        kind = KINDS[config.feature]
        last = names[-2] if config.delta else names[-1]
        measuring = self._meters["log" if "log" in names else last]
        if config.sample_scale != 1:
            scale = partial(np.multiply, samples, np.float32(config.sample_scale))
            samples = self._meters["scale"].measure(scale)
        raws = []
        framer = Framer(config.framing)
        for span in chain(framer.push(samples[None, :]), framer.finish()):
            chunk = Chunk(span, config, self._scratch)
            for name in filter(_OF_A_CHUNK.get, names):
                meter = self._meters[name]
                pcen_mel = name == "mel" and config.feature is Feature.PCEN
                attribute = "pcen_mel" if pcen_mel else _OF_A_CHUNK[name]
                computed = meter.time(partial(getattr, chunk, attribute))[0]
                if name != last:  # the last is added as a whole below
                    meter.add(computed)
            raws.append(measuring.time(partial(kind.measure, chunk))[0])
        raw = np.concatenate(raws)
        maxima = raw.max(axis=0)
        if "dct" in names or "onset" in names:
            mel = slice(config.n_mels)
            measuring.measure(partial(floored, raw[:, mel], maxima[mel], config))
        data = raw
        if kind.finish is not None:
            data = self._meters[last].time(partial(kind.finish, raw, maxima, config))
        if kind.over_time is not None:
            over_time = kind.over_time(config)
            data = self._meters[last].time(partial(applied, over_time, data[:, None]))[:, 0]
        if config.feature is Feature.COMPLEX:
            data = data.reshape(len(data), -1, 2)
        self._meters[last].add(data)
        if config.delta:
            data = self._meters["delta"].measure(partial(with_deltas, data, config))
        return data
