"""Sample blocks to probabilities: cut, features, ONNX Runtime, a bounded number of segments at a time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audiocnn_cli.errors import FailureKind, SignalError
from audiocnn_cli.features.extract import extract
from audiocnn_cli.models.segments import Rest, Segment, cut
from audiocnn_cli.models.session import Model

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BATCH = 32


@dataclass(frozen=True, slots=True)
class SegmentProbabilities:
    """The answer for one segment: samples `start` to `start + valid`, probabilities of shape (labels,)."""

    start: int
    valid: int
    probabilities: "NDArray[np.float32]"


@dataclass(frozen=True, slots=True)
class ClipProbabilities:
    """The answer for a clip of `samples` samples: its segments and their mean, shape (labels,)."""

    samples: int
    segments: tuple[SegmentProbabilities, ...]
    mean: "NDArray[np.float64]"
    rest: Rest
    rest_samples: int


def infer(
    blocks: Iterable["NDArray[np.float32]"], model: Model, *, member: int | None = None
) -> ClipProbabilities:
    """Run `model`, or one `member` of it, over a clip of mono (n,) blocks at the model's sample rate.

    Raises:
        SignalError: the clip is shorter than one analysis frame.
    """
    import numpy as np

    answers: list[SegmentProbabilities] = []
    last: Segment | None = None
    for batch in _batches(cut(blocks, model.contract.segment)):
        last = batch[-1]
        if last.valid < model.contract.features.n_fft:
            raise _too_short(last.valid, model)
        tensors = np.stack([extract(s.samples, model.contract.features) for s in batch])
        outputs = model.probabilities(tensors, member=member)
        answers += [
            SegmentProbabilities(segment.start, segment.valid, output)
            for segment, output in zip(batch, outputs, strict=True)
        ]
    if last is None:
        raise _too_short(0, model)
    samples = last.start + last.valid
    return ClipProbabilities(
        samples=samples + (last.rest_samples if last.rest is Rest.DROPPED else 0),
        segments=tuple(answers),
        mean=np.mean([answer.probabilities for answer in answers], axis=0, dtype=np.float64),
        rest=last.rest,
        rest_samples=last.rest_samples,
    )


def _batches(segments: Iterable[Segment]) -> Iterator[list[Segment]]:
    batch: list[Segment] = []
    for segment in segments:
        batch.append(segment)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _too_short(samples: int, model: Model) -> SignalError:
    features = model.contract.features
    return SignalError(
        FailureKind.TOO_SHORT,
        f"{samples / features.sample_rate:.3f} s are too short to label: less than the"
        f" {features.n_fft / features.sample_rate:.3f} s of one analysis frame",
    )
