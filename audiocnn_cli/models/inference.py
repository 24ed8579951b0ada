"""Streaming inference: blocks of samples to segments, features and probabilities, in bounded batches."""

from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.audio.resample import Resampler
from audiocnn_cli.audio.segments import Cutter, Ending, Segment, SegmentConfig
from audiocnn_cli.errors import FailureKind, SignalError
from audiocnn_cli.features.config import Feature, FeatureConfig
from audiocnn_cli.features.extract import extract
from audiocnn_cli.models.scores import ClipScores, mean_over_segments
from audiocnn_cli.models.session import Model
from audiocnn_cli.models.signature import Signature

_BATCH = 8
# Batches that may wait for the network: it bounds the memory of a long clip.
_MOST_PENDING = 4
_SAMPLED_WHOLLY, _SAMPLED_STEP = 10, 4
# The absolute gate of ITU-R BS.1770-4, here for the root mean square of a segment without that standard's
# frequency weighting.
SILENCE_DB = -70.0


@dataclass(frozen=True, slots=True)
class ModelStream:
    """A model to run over the segments of a clip.

    Args:
        model: the opened model.
        hop: samples between segments; None: the model's own.
        member: run only this one of the networks whose mean the model is.
        sparse: run only on the sample of segments that `is_sampled` selects.
        embedding: give the model's embedding instead of its scores.
    """

    model: Model
    hop: int | None = None
    member: int | None = None
    sparse: bool = False
    embedding: bool = False

    @property
    def segment(self) -> SegmentConfig:
        """Length and hop of the segments."""
        own = self.model.signature.segment
        return own if self.hop is None else replace(own, hop=self.hop)

    def rows(self, tensors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores or embeddings of feature tensors (segments, frames, bins), a row for each segment."""
        if self.embedding:
            return self.model.embeddings(tensors)
        return self.model.scores(tensors, member=self.member)


def is_sampled(index: int) -> bool:
    """Whether a segment belongs to the sample of a sparse stream: the first ten, then every fourth."""
    return index < _SAMPLED_WHOLLY or index % _SAMPLED_STEP == 0


def sample_weights(indices: NDArray[np.int64]) -> NDArray[np.float64]:
    """How many segments of a clip each of the sampled ones stands for; 0 for one that is not sampled."""
    sampled = np.array([is_sampled(index) for index in indices.tolist()])
    return np.where(sampled, np.where(indices < _SAMPLED_WHOLLY, 1.0, _SAMPLED_STEP), 0.0)


def infer(blocks: Iterable[NDArray[np.float32]], model: Model, *, member: int | None = None) -> ClipScores:
    """Run `model`, or one `member` of it, over a clip of mono (n,) blocks at the model's sample rate.

    Raises:
        SignalError: the clip is shorter than one analysis frame.
    """
    rate = model.signature.features.sample_rate
    inference = StreamingInference([ModelStream(model, member=member)], source_rate=rate)
    for block in blocks:
        inference.push(block)
    (scores,) = inference.finish()
    return scores


class StreamingInference:
    """Run several models over one clip that arrives in mono blocks.

    The clip is resampled once for each sample rate. Streams with the same features and segments share the
    feature tensors.
    """

    def __init__(self, streams: Sequence[ModelStream], *, source_rate: int, batch: int = _BATCH) -> None:
        """Take blocks at `source_rate` Hz; run the models on `batch` segments at a time."""
        groups: dict[tuple[FeatureConfig, SegmentConfig], _Group] = {}
        self._streams: list[tuple[_Group, _Stream]] = []
        for model_stream in streams:
            signature, segment = model_stream.model.signature, model_stream.segment
            same = signature.features, segment
            group = groups.setdefault(same, _Group(signature, segment, batch))
            group.streams.append(_Stream(model_stream))
            self._streams.append((group, group.streams[-1]))
        self._groups = list(groups.values())
        rates = {group.sample_rate for group in self._groups}
        self._resamplers = {rate: Resampler(source_rate=source_rate, sample_rate=rate) for rate in rates}

    def push(self, block: NDArray[np.float32]) -> None:
        """Take the next samples, shape (n,)."""
        for rate, resampler in self._resamplers.items():
            for resampled in resampler.push(block):
                self._distribute(rate, resampled)

    def count(self, stream: int) -> int:
        """Number of segments of that stream that have scores so far."""
        return len(self._streams[stream][1].rows)

    def complete(self, stream: int) -> int:
        """Number of segments of that stream whose last sample has arrived, with scores or not yet."""
        return self._streams[stream][0].cut

    def settle(self) -> None:
        """Wait until every batch of segments that is complete has scores."""
        for group in self._groups:
            group.settle()

    def scores(self, stream: int, first: int = 0) -> ClipScores:
        """Scores of that stream so far, from its row `first` on (counted from the end if negative)."""
        group, found = self._streams[stream]
        return found.scores(group.sample_rate, first)

    def finish(self) -> tuple[ClipScores, ...]:
        """Scores of each stream, after the last block.

        Raises:
            SignalError: the clip is shorter than one analysis frame.
        """
        for rate, resampler in self._resamplers.items():
            self._distribute(rate, resampler.finish())
        endings = {id(group): group.finish() for group in self._groups}
        return tuple(
            stream.scores(group.sample_rate, ending=endings[id(group)]) for group, stream in self._streams
        )

    def _distribute(self, rate: int, block: NDArray[np.float32]) -> None:
        for group in self._groups:
            if group.sample_rate == rate and len(block):
                group.push(block)


class _Pending(NamedTuple):
    """A segment whose features are computed, and whose probabilities are not."""

    start: int
    end: int
    number: int
    silent: bool
    tensor: NDArray[np.float32]


class _Stream:
    """A model stream and its scores so far: a row of probabilities, shape (labels,), for each segment.

    For an embedding, a row has its dimensions, and for a regression model one value.
    """

    def __init__(self, stream: ModelStream) -> None:
        self.stream = stream
        self.rows: list[NDArray[np.float32]] = []
        self._segments: list[tuple[int, int, int, bool]] = []  # without their tensors

    def run(self, pending: Sequence[_Pending]) -> None:
        """Compute and keep the probabilities of some segments."""
        stream = self.stream
        chosen = [each for each in pending if not stream.sparse or is_sampled(each.number)]
        if not chosen:
            return
        tensors = np.stack([each.tensor for each in chosen])
        self.rows.extend(stream.rows(tensors))
        self._segments.extend(each[:4] for each in chosen)

    def scores(self, rate: int, first: int = 0, ending: Ending | None = None) -> ClipScores:
        """The rows from `first` on, of a clip that ended with `ending` or goes on."""
        starts, ends, indices, silent = np.array(self._segments[first:], dtype=np.int64).T
        probabilities, is_silence = np.stack(self.rows[first:]), silent.astype(bool)
        ending = ending or Ending(int(ends[-1]))
        return ClipScores(
            starts=starts,
            ends=ends,
            probabilities=probabilities,
            silent=is_silence,
            indices=indices,
            mean=mean_over_segments(probabilities, is_silence),
            sample_rate=rate,
            n_samples=ending.samples,
            tail=ending.rest,
            tail_samples=ending.rest_samples,
        )


class _Group:
    """Streams with the same features of the same segments."""

    def __init__(self, signature: Signature, segment: SegmentConfig, batch: int) -> None:
        self.sample_rate = signature.features.sample_rate
        self.streams: list[_Stream] = []
        self._signature = signature
        self._batch = batch
        self._cutter = Cutter(segment)
        self._pending: list[_Pending] = []
        self.cut = 0
        self._executor: ThreadPoolExecutor | None = None
        self._running: deque[Future[None]] = deque()

    def push(self, block: NDArray[np.float32]) -> None:
        """Cut the next samples; run the models whenever a batch is complete."""
        for segment in self._cutter.push(block):
            self._add(segment)
            if len(self._pending) >= self._batch:
                self._run_batch()

    def finish(self) -> Ending:
        """Run the models on what is left."""
        ending = self._cutter.finish()
        fewest, rate = self._signature.fewest_samples, self.sample_rate
        if ending.samples < fewest:
            raise SignalError(
                FailureKind.TOO_SHORT,
                f"{ending.samples / rate:.3f} s are too short to label: less than the {fewest / rate:.3f} s"
                " of one analysis frame",
            )
        if ending.segment is not None:
            self._add(ending.segment)
        self.settle()
        if self._executor is not None:
            self._executor.shutdown()
        self._run(self._pending)
        return ending

    def settle(self) -> None:
        """Wait for the batches that run."""
        while self._running:
            self._running.popleft().result()

    def _add(self, segment: Segment) -> None:
        index, self.cut = self.cut, self.cut + 1
        if all(each.stream.sparse for each in self.streams) and not is_sampled(index):
            return
        # Features at once: kept samples would make the allocator return and request memory repeatedly.
        tensor = tensor_of(segment.samples, self._signature.features)
        end = segment.start + segment.valid
        self._pending.append(_Pending(segment.start, end, index, is_silent(segment), tensor))

    def _run_batch(self) -> None:
        """Run the models in another thread while the next segments are decoded; single segments here."""
        pending, self._pending = self._pending, []
        if self._batch == 1:
            self._run(pending)
            return
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1)
        self._running.append(self._executor.submit(self._run, pending))
        if len(self._running) > _MOST_PENDING:
            self._running.popleft().result()

    def _run(self, pending: Sequence[_Pending]) -> None:
        for stream in self.streams:
            stream.run(pending)


def tensor_of(samples: NDArray[np.float32], features: FeatureConfig) -> NDArray[np.float32]:
    """Feature tensor of a segment, shape (frames, bins); (samples, 1) for a waveform."""
    return samples[:, None] if features.feature is Feature.WAVEFORM else extract(samples, features)


def is_silent(segment: Segment) -> bool:
    """Whether the root mean square of a segment is below `SILENCE_DB` of full scale."""
    own = segment.samples[segment.first : segment.first + segment.valid]
    return float(np.vdot(own, own)) < len(own) * 10 ** (SILENCE_DB / 10)
