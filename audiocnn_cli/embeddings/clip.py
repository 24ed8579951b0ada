"""The embeddings of one clip: a vector for each segment, or one for the clip."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.audio.decode import open_audio
from audiocnn_cli.audio.load import WHOLE, Excerpt, mono_blocks
from audiocnn_cli.audio.segments import TailHandling
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.errors import UsageError
from audiocnn_cli.models.inference import ModelStream, StreamingInference
from audiocnn_cli.models.scores import ClipScores
from audiocnn_cli.models.session import Model
from audiocnn_cli.models.signature import Pooling, Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedOptions:
    """Options of one run; they can be pickled.

    Args:
        overlap: fraction of a segment that the next repeats, 0 or more and below 1; None: the model's.
        pool: how the vectors of the segments are combined into one of the clip; None: they are not.
        excerpt: part of the recording to read.

    Raises:
        UsageError: a value is out of its range.
    """

    overlap: float | None = None
    pool: Pooling | None = None
    excerpt: Excerpt = WHOLE

    def __post_init__(self) -> None:
        if self.overlap is not None and not 0 <= self.overlap < 1:
            raise UsageError(f"`overlap` must be 0 or more and below 1, not {self.overlap:g}")

    def hop(self, signature: Signature) -> int | None:
        """Samples between the segments of a model; None for its own."""
        if self.overlap is None:
            return None
        return max(1, round(signature.segment.length * (1 - self.overlap)))


DEFAULTS = EmbedOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingInfo:
    """How vectors were computed; vectors can be compared if `model_sha256` is the same.

    Args:
        model: name of the model.
        model_sha256: hexadecimal SHA-256 of the model file.
        dimensions: length of a vector.
        segment_s: length of a segment in seconds; None if that is not recorded.
        hop_s: seconds between the starts of segments; None if that is not recorded.
        pool: how segments were combined into one vector for each clip; None: they were not.
    """

    model: str
    model_sha256: str
    dimensions: int
    segment_s: float | None = None
    hop_s: float | None = None
    pool: Pooling | None = None


@dataclass(frozen=True, kw_only=True)
class ClipEmbeddings:
    """The embeddings of one clip; with a `pool` it has one row, which covers the clip.

    Args:
        path: of the recording.
        info: the model and the segments.
        starts_s: start of each segment in seconds of the recording, shape (segments,), float64.
        ends_s: end of each segment, shape (segments,), float64.
        silent: whether a segment is silence (see `models.inference.SILENCE_DB`), shape (segments,), bool.
        data: shape (segments, dimensions), float32; None where the vectors are in a data set.
        duration_s: seconds that were read.
        rest: how the samples after the last whole segment were handled (see `audio.segments`).
        rest_s: how many seconds they are.
    """

    path: str
    info: EmbeddingInfo
    starts_s: NDArray[np.float64]
    ends_s: NDArray[np.float64]
    silent: NDArray[np.bool_]
    data: NDArray[np.float32] | None
    duration_s: float
    rest: TailHandling
    rest_s: float

    def __len__(self) -> int:
        return len(self.starts_s)

    @property
    def vectors(self) -> NDArray[np.float32]:
        """`data`, where the vectors have not been moved to a data set.

        Raises:
            ValueError: they have.
        """
        if self.data is None:
            raise ValueError("the vectors of this clip are in a data set")
        return self.data


@dataclass(frozen=True, slots=True)
class Embedder:
    """An opened model, and the hexadecimal SHA-256 of its file."""

    model: Model
    sha256: str

    def stream(self, options: EmbedOptions) -> ModelStream:
        """The model as `StreamingInference` runs it."""
        return ModelStream(self.model, options.hop(self.model.signature), embedding=True)


def file_sha256(path: Path) -> str:
    """The hexadecimal SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def embed(source: Source, embedder: Embedder, options: EmbedOptions = DEFAULTS) -> ClipEmbeddings:
    """The embeddings of `source`; its segments are those that `audiocnn classify` cuts.

    Raises:
        SignalError: the source can't be read, or is shorter than one analysis frame.
        UsageError: the model has no embedding.
        ModelRefusedError: the model fails, or gives numbers that are not finite.
    """
    stream = embedder.stream(options)
    offset_s, (scores,) = run_streams(source, [stream], options.excerpt)
    return clip_embeddings(source, embedder, scores, options, offset_s=offset_s)


def run_streams(
    source: Source, streams: list[ModelStream], excerpt: Excerpt
) -> tuple[float, tuple[ClipScores, ...]]:
    """The start of the clip in seconds of the recording, and what each stream gives."""
    with open_audio(source) as reader:
        info = reader.info
        offset_s = excerpt.span(info)[0] / info.sample_rate
        inference = StreamingInference(streams, source_rate=info.sample_rate)
        for block in mono_blocks(reader, sample_rate=info.sample_rate, excerpt=excerpt):
            inference.push(block)
        return offset_s, inference.finish()


def clip_embeddings(
    source: Source, embedder: Embedder, scores: ClipScores, options: EmbedOptions, *, offset_s: float
) -> ClipEmbeddings:
    """The result for a clip whose segments have been run; `pool` leaves out silence unless all is silence."""
    rate = scores.sample_rate
    segment = embedder.stream(options).segment
    duration_s = scores.n_samples / rate
    starts_s, ends_s, silent, data = scores.starts_s, scores.ends_s, scores.silent, scores.probabilities
    if options.pool is Pooling.MEAN:
        starts_s, ends_s = np.zeros(1), np.array([duration_s])
        silent, data = np.array([scores.is_silent]), scores.mean.astype(np.float32)[None]
    return ClipEmbeddings(
        path=source.path,
        info=EmbeddingInfo(
            model=embedder.model.contract.name,
            model_sha256=embedder.sha256,
            dimensions=data.shape[1],
            segment_s=segment.length / rate,
            hop_s=segment.hop / rate,
            pool=options.pool,
        ),
        starts_s=starts_s + offset_s,
        ends_s=ends_s + offset_s,
        silent=silent,
        data=np.ascontiguousarray(data),
        duration_s=duration_s,
        rest=scores.tail,
        rest_s=scores.tail_samples / rate,
    )
