"""Sample blocks to probabilities: cut, features, ONNX Runtime, a bounded number of segments at a time."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from audiocnn_cli.audio.resample import Resampler
from audiocnn_cli.audio.segments import Cutter, Ending, Segment, SegmentConfig, TailHandling
from audiocnn_cli.errors import FailureKind, SignalError
from audiocnn_cli.features.config import Feature, FeatureConfig
from audiocnn_cli.features.extract import extract
from audiocnn_cli.models.session import Model
from audiocnn_cli.models.signature import Signature

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    import numpy as np
    from numpy.typing import NDArray

_BATCH = 8
# Batches that may wait for the network, so that a long clip does not pile up before it.
_MOST_ASKED = 4
_SAMPLED_WHOLLY, _SAMPLED_STEP = 10, 4
# The absolute gate of ITU-R BS.1770-4: blocks of a programme below it count as silence. Here it is the
# root mean square of a segment, without that standard's weighting of frequencies.
SILENCE_DB = -70.0


@dataclass(frozen=True, slots=True)
class SegmentProbabilities:
    """The answer for one segment: samples `start` to `start + valid`, probabilities of shape (labels,).

    It is number `index` of the clip. `silent` says that its root mean square is below `SILENCE_DB` of full
    scale.
    """

    start: int
    valid: int
    probabilities: "NDArray[np.float32]"
    silent: bool = False
    index: int = 0


@dataclass(frozen=True, slots=True)
class ClipProbabilities:
    """The answer for a clip of `samples` samples: its segments, and what became of the rest."""

    samples: int
    segments: tuple[SegmentProbabilities, ...]
    rest: TailHandling
    rest_samples: int

    @property
    def silent(self) -> bool:
        """Whether all segments are."""
        return all(segment.silent for segment in self.segments)

    @property
    def mean(self) -> "NDArray[np.float64]":
        """The mean over the segments that sound (over all of a silent clip), shape (labels,)."""
        import numpy as np

        silent = self.silent
        heard = [s.probabilities for s in self.segments if silent or not s.silent]
        mean: NDArray[np.float64] = np.mean(heard, axis=0, dtype=np.float64)
        return mean


@dataclass(frozen=True, slots=True)
class ModelStream:
    """A model that hears a clip; `hop` samples between its segments (None: its own).

    `member` asks only this one of the networks whose mean the model is. A `sparse` one is asked about the
    sample of segments that `is_sampled` says.
    """

    model: Model
    hop: int | None = None
    member: int | None = None
    sparse: bool = False

    @property
    def segment(self) -> SegmentConfig:
        """How this listener cuts the clip."""
        own = self.model.signature.segment
        return own if self.hop is None else SegmentConfig(length=own.length, hop=self.hop)


def is_sampled(index: int) -> bool:
    """Whether a segment is in the sample that tells what a clip is: the first ten, then each fourth."""
    return index < _SAMPLED_WHOLLY or index % _SAMPLED_STEP == 0


def infer(
    blocks: Iterable["NDArray[np.float32]"], model: Model, *, member: int | None = None
) -> ClipProbabilities:
    """Run `model`, or one `member` of it, over a clip of mono (n,) blocks at the model's sample rate.

    Raises:
        SignalError: the clip is shorter than one analysis frame.
    """
    rate = model.signature.features.sample_rate
    hearing = StreamingInference([ModelStream(model, member=member)], source_rate=rate)
    for block in blocks:
        hearing.push(block)
    (answer,) = hearing.finish()
    return answer


class StreamingInference:
    """Mono blocks of one clip go in; several models hear it, and share what they have in common.

    Resampling is done once for each rate, features once for listeners with the same recipe and segments.
    """

    def __init__(
        self, listeners: Sequence[ModelStream], *, source_rate: int, batch: int = _BATCH
    ) -> None:
        """Hear blocks at `source_rate` Hz, and ask when `batch` segments are there."""
        self._groups: list[_Group] = []
        self._places: list[tuple[_Group, int]] = []
        self._resamplers: dict[int, Resampler] = {}
        for listener in listeners:
            features, segment = listener.model.signature.features, listener.segment
            group = next((g for g in self._groups if g.hears(features, segment)), None)
            if group is None:
                group = _Group(listener.model.signature, segment, batch)
                self._groups.append(group)
            self._places.append((group, len(group.listeners)))
            group.listeners.append(listener)
            group.answers.append([])
            rate = features.sample_rate
            if rate not in self._resamplers:
                self._resamplers[rate] = Resampler(source_rate=source_rate, sample_rate=rate)

    def push(self, block: "NDArray[np.float32]") -> None:
        """Take the next samples, shape (n,)."""
        for rate, resampler in self._resamplers.items():
            self._hand_on(rate, resampler.push(block))

    def answers(self, listener: int) -> list[SegmentProbabilities]:
        """What that listener has said so far."""
        group, place = self._places[listener]
        return group.answers[place]

    def finish(self) -> tuple[ClipProbabilities, ...]:
        """The answers of each listener, once the clip has ended.

        Raises:
            SignalError: the clip is shorter than one analysis frame.
        """
        for rate, resampler in self._resamplers.items():
            self._hand_on(rate, resampler.finish())
        endings = {id(group): group.finish() for group in self._groups}
        clips = []
        for group, place in self._places:
            ending = endings[id(group)]
            answers = tuple(group.answers[place])
            clips.append(
                ClipProbabilities(ending.samples, answers, ending.rest, ending.rest_samples)
            )
        return tuple(clips)

    def _hand_on(self, rate: int, block: "NDArray[np.float32]") -> None:
        if not len(block):
            return
        for group in self._groups:
            if group.signature.features.sample_rate == rate:
                group.push(block)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A segment to be asked about, as its tensor."""

    start: int
    valid: int
    silent: bool
    tensor: "NDArray[np.float32]"
    index: int


@dataclass(slots=True)
class _Group:
    """Listeners with the same features of the same segments."""

    signature: Signature
    segment: SegmentConfig
    batch: int
    listeners: list[ModelStream] = field(default_factory=list)
    answers: list[list[SegmentProbabilities]] = field(default_factory=list)
    _cutter: Cutter = field(init=False)
    _waiting: "list[_Waiting]" = field(default_factory=list)
    _taken: int = 0
    _aside: "ThreadPoolExecutor | None" = None
    _asked: "deque[Future[None]]" = field(default_factory=deque)

    def __post_init__(self) -> None:
        self._cutter = Cutter(self.segment)

    def hears(self, features: FeatureConfig, segment: SegmentConfig) -> bool:
        return self.signature.features == features and self.segment == segment

    def push(self, block: "NDArray[np.float32]") -> None:
        for segment in self._cutter.push(block):
            self._take(segment)
            if len(self._waiting) >= self.batch:
                self._ask_aside()

    def finish(self) -> Ending:
        ending = self._cutter.finish()
        fewest = self.signature.fewest_samples
        if ending.samples < fewest:
            raise _too_short(ending.samples, fewest, self.signature)
        if ending.segment is not None:
            self._take(ending.segment)
        self._hear_out()
        self._ask(self._waiting)
        return ending

    def _take(self, segment: Segment) -> None:
        index, self._taken = self._taken, self._taken + 1
        if all(listener.sparse for listener in self.listeners) and not is_sampled(index):
            return
        # Features at once: samples that wait make the allocator hand memory back and forth.
        tensor = tensor_of(segment.samples, self.signature.features)
        silent = is_silent(segment)
        self._waiting.append(_Waiting(segment.start, segment.valid, silent, tensor, index))

    def _ask_aside(self) -> None:
        """Ask while the next segments are decoded; a segment by itself is waited for, and asked at once."""
        waiting, self._waiting = self._waiting, []
        if self.batch == 1:
            self._ask(waiting)
            return
        from concurrent.futures import ThreadPoolExecutor

        if self._aside is None:
            self._aside = ThreadPoolExecutor(1)
        self._asked.append(self._aside.submit(self._ask, waiting))
        if len(self._asked) > _MOST_ASKED:
            self._asked.popleft().result()

    def _hear_out(self) -> None:
        """Wait for what was asked aside."""
        while self._asked:
            self._asked.popleft().result()
        if self._aside is not None:
            self._aside.shutdown()
            self._aside = None

    def _ask(self, waiting: Sequence[_Waiting]) -> None:
        import numpy as np

        for listener, answers in zip(self.listeners, self.answers, strict=True):
            asked = [w for w in waiting if not listener.sparse or is_sampled(w.index)]
            if not asked:
                continue
            tensors = np.stack([each.tensor for each in asked])
            said = listener.model.probabilities(tensors, member=listener.member)
            answers += [
                SegmentProbabilities(w.start, w.valid, row, w.silent, w.index)
                for w, row in zip(asked, said, strict=True)
            ]


def tensor_of(samples: "NDArray[np.float32]", features: FeatureConfig) -> "NDArray[np.float32]":
    """(frames, bins) of a segment; a waveform's frames are its samples."""
    return samples[:, None] if features.feature is Feature.WAVEFORM else extract(samples, features)


def is_silent(segment: Segment) -> bool:
    """Whether the root mean square of a segment is below `SILENCE_DB` of full scale."""
    import numpy as np

    own = segment.samples[: segment.valid]
    return float(np.vdot(own, own)) < len(own) * 10 ** (SILENCE_DB / 10)


def _too_short(samples: int, fewest: int, signature: Signature) -> SignalError:
    rate = signature.features.sample_rate
    return SignalError(
        FailureKind.TOO_SHORT,
        f"{samples / rate:.3f} s are too short to label: less than the {fewest / rate:.3f} s of one analysis"
        " frame",
    )
