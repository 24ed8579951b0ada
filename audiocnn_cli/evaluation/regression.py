"""How close the values of a regression model are to the targets: metrics with intervals, over clips."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.errors import AudiocnnError
from audiocnn_cli.evaluation.degrade import Degradation
from audiocnn_cli.evaluation.evaluate import require_kind
from audiocnn_cli.evaluation.targets import Target
from audiocnn_cli.evaluation.value_scoring import ValuePrediction, ValuePredictions, ValueScoring
from audiocnn_cli.models.session import Model
from audiocnn_cli.models.signature import Kind

Values = NDArray[np.float64]

_RESAMPLES = 2000
_SEED = 0
# Numbers in memory at once while resampling.
_MOST_NUMBERS = 1 << 22
# Where more of the resamples have no value, there is no interval.
_FEWEST_DEFINED = 0.9


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its 95 % interval; None where it is undefined."""

    value: float | None
    interval_95: tuple[float, float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegressionScores:
    """The figures of a regression over `n` clips, in the unit of the target (`r2` has none).

    Args:
        n: number of clips.
        mae: mean absolute error.
        rmse: root of the mean squared error.
        r2: coefficient of determination: 1 is exact, 0 as good as the mean of the targets, below 0 worse;
            undefined for a constant target.
        median_absolute_error: median of the absolute errors.
    """

    n: int
    mae: Estimate
    rmse: Estimate
    r2: Estimate
    median_absolute_error: Estimate


def regression_scores(truth: Sequence[float], predicted: Sequence[float]) -> RegressionScores:
    """The figures of one clip or more, with percentile bootstrap intervals over clips.

    The clips are resampled 2000 times with a fixed seed, so that the same values give the same intervals.
    Source: Efron and Tibshirani, An introduction to the bootstrap, 1993, chapter 13.
    """
    true, found = np.asarray(truth, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    samples = _resampled(true, found)
    return RegressionScores(
        n=len(true),
        **{
            name: Estimate(_value(statistic(true[None], found[None])), _interval(samples[name]))
            for name, statistic in _STATISTICS.items()
        },
    )


def _mae(true: Values, found: Values) -> Values:
    return np.asarray(np.abs(found - true).mean(axis=1))


def _rmse(true: Values, found: Values) -> Values:
    return np.asarray(np.sqrt(np.square(found - true).mean(axis=1)))


def _median(true: Values, found: Values) -> Values:
    return np.asarray(np.median(np.abs(found - true), axis=1))


def _r2(true: Values, found: Values) -> Values:
    """NaN for a target that is constant, or that varies too little for the quotient to be a number."""
    residual = np.square(found - true).sum(axis=1)
    total = np.square(true - true.mean(axis=1, keepdims=True)).sum(axis=1)
    # The mean of equal numbers may differ from them by rounding, and tiny squares are 0.
    constant = (np.ptp(true, axis=1) == 0) | (total == 0)
    with np.errstate(over="ignore"):
        quotient = residual / np.where(constant, 1.0, total)
    return np.where(constant | np.isinf(quotient), np.nan, 1 - quotient)


# Each takes targets and values of shape (resamples, clips), and gives (resamples,).
_STATISTICS: dict[str, Callable[[Values, Values], Values]] = {
    "mae": _mae,
    "rmse": _rmse,
    "r2": _r2,
    "median_absolute_error": _median,
}


def _resampled(true: Values, found: Values) -> dict[str, Values]:
    """Each statistic of all resamples, in blocks that bound the memory."""
    random = np.random.default_rng(_SEED)
    block = max(1, _MOST_NUMBERS // len(true))
    parts: dict[str, list[Values]] = {name: [] for name in _STATISTICS}
    for first in range(0, _RESAMPLES, block):
        chosen = random.integers(0, len(true), (min(block, _RESAMPLES - first), len(true)))
        for name, statistic in _STATISTICS.items():
            parts[name].append(statistic(true[chosen], found[chosen]))
    return {name: np.concatenate(each) for name, each in parts.items()}


def _value(statistic: Values) -> float | None:
    return float(statistic[0]) if np.isfinite(statistic[0]) else None


def _interval(samples: Values) -> tuple[float, float] | None:
    defined = samples[np.isfinite(samples)]
    if len(defined) < _FEWEST_DEFINED * len(samples):
        return None
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class ValueClip:
    """A clip with its target and what the model gave for it."""

    target: Target
    prediction: ValuePrediction

    @property
    def error(self) -> float:
        """The value of the model minus the target."""
        return self.prediction.value - self.target.value


@dataclass(frozen=True, slots=True, kw_only=True)
class RegressionEvaluation:
    """The values of a regression model for recordings with targets, and the metrics over clips.

    As in `Evaluation`, `scores` counts only the clips that a single member has scored, where there are any;
    `kept_apart` those of the whole model, whose clips are `clips_apart`. `robustness` has the scores of the
    same clips after each degradation.
    """

    model: str
    quantity: str
    clips: tuple[ValueClip, ...]
    scores: RegressionScores
    robustness: tuple[tuple[Degradation, RegressionScores], ...]
    kept_apart: RegressionScores | None
    clips_apart: tuple[ValueClip, ...]
    left_out: int
    failures: tuple[Failure, ...]

    @property
    def held_out(self) -> int:
        """The number of clips of the training data, each scored by a member not trained on it."""
        return sum(each.prediction.member is not None for each in self.clips)

    @property
    def all_clips(self) -> tuple[ValueClip, ...]:
        """Those counted in `scores`, then those in `kept_apart`."""
        return self.clips + self.clips_apart


ValueRunner = Callable[[ValueScoring], ValuePredictions]


def evaluate_values(
    targets: Sequence[Target],
    model: Model,
    *,
    run: ValueRunner,
    folder: Path,
    include_training: bool = False,
    degradations: Sequence[Degradation] = (),
) -> RegressionEvaluation:
    """Run a regression model over the recordings that have `targets`, and compare.

    With `include_training` the whole model scores every clip, also those it was trained on.

    Raises:
        UsageError: the model gives no values.
        AudiocnnError: no clip is left to evaluate.
    """
    require_kind(model, Kind.REGRESSION)
    scoring = ValueScoring(
        folder=folder, model=model.path, include_training=include_training, degradations=tuple(degradations)
    )
    found = run(scoring)
    if not found.clips:
        raise AudiocnnError(_nothing_left(folder, found))
    by_path = {target.source.path: target for target in targets}
    clips = [ValueClip(by_path[each.source.path], each) for each in found.clips]
    held_out = tuple(each for each in clips if each.prediction.member is not None)
    apart = tuple(each for each in clips if each.prediction.member is None) if held_out else ()
    counted = held_out or tuple(clips)
    return RegressionEvaluation(
        model=model.contract.name,
        quantity=model.contract.labels[0],
        clips=counted,
        scores=_scores(counted),
        robustness=tuple(
            (degradation, _scores(counted, [each.prediction.degraded_values[i] for each in counted]))
            for i, degradation in enumerate(degradations)
        ),
        kept_apart=_scores(apart) if apart else None,
        clips_apart=apart,
        left_out=found.left_out,
        failures=found.failures,
    )


def _scores(clips: Sequence[ValueClip], values: Iterable[float] | None = None) -> RegressionScores:
    found = [each.prediction.value for each in clips] if values is None else list(values)
    return regression_scores([each.target.value for each in clips], found)


def _nothing_left(folder: Path, found: ValuePredictions) -> str:
    if found.left_out:
        return (
            f"{folder}: the model was trained on all {found.left_out} clips; evaluate it on others, or add"
            " `include_training=True` for an optimistic figure"
        )
    first = f": {found.failures[0].path}: {found.failures[0].message}" if found.failures else ""
    return f"{folder}: no clip could be evaluated{first}"
