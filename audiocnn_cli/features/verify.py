"""The honest check of streaming: the same recording decoded whole, resampled and transformed in one piece."""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from audiocnn_cli.audio.decode import AudioReader, open_audio
from audiocnn_cli.audio.load import WHOLE, channel_blocks, mono_blocks
from audiocnn_cli.audio.resample import resampled_length
from audiocnn_cli.audio.sources import STDIN
from audiocnn_cli.errors import FailureKind, InputError
from audiocnn_cli.features.plan import Plan
from audiocnn_cli.features.result import FeatureResult, compute

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Verification:
    """How far the streamed tensor is from the whole-file one, in the tensor's own units.

    `peak_memory_mib` is the most that the process had held when the streamed one was ready.
    """

    largest_difference: float
    peak_memory_mib: float


def verify(result: FeatureResult) -> Verification:
    """Compute `result` again without streaming, with soxr's resampling of the whole signal at once.

    Raises:
        InputError: the source can't be read a second time.
    """
    import numpy as np

    peak = _peak_memory_mib()
    if result.source.path == STDIN:
        message = "can't be verified: it is read only once; give a file"
        raise InputError(STDIN, FailureKind.NOT_FOUND, message)
    with open_audio(result.source) as reader:
        samples = _whole(reader, result.tensor.plan)
    # What has been cut out and resampled is a recording of its own.
    plan = replace(result.tensor.plan, excerpt=WHOLE)
    again = compute(lambda: iter([samples]), len(samples), plan)
    pairs = [(result.tensor.data, again.data)]
    if result.tensor.rest is not None and again.rest is not None:
        pairs.append((result.tensor.rest, again.rest))
    differences = [
        math.inf if ours.shape != whole.shape else float(np.max(np.abs(ours - whole), initial=0.0))
        for ours, whole in pairs
    ]
    return Verification(max(differences), peak)


def _whole(reader: AudioReader, plan: Plan) -> "NDArray[np.float32]":
    import numpy as np
    import soxr

    info, rate = reader.info, plan.config.sample_rate
    read = channel_blocks if plan.keep_channels else mono_blocks
    blocks = read(reader, sample_rate=info.sample_rate, excerpt=plan.excerpt)
    samples = np.concatenate(list(blocks))
    if rate == info.sample_rate:
        return samples
    wanted = resampled_length(len(samples), source_rate=info.sample_rate, sample_rate=rate)
    resampled = soxr.resample(samples, info.sample_rate, rate, quality="HQ")[:wanted]
    missing = np.zeros((wanted - len(resampled), *samples.shape[1:]), dtype=np.float32)
    return np.concatenate([resampled, missing])


def _peak_memory_mib() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
