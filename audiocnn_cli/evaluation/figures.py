"""The figures of a model: measured for a new card, and again to check an old one."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.errors import AudiocnnError
from audiocnn_cli.evaluation.degrade import DEGRADATIONS, Degradation
from audiocnn_cli.evaluation.evaluate import Evaluation, evaluate
from audiocnn_cli.evaluation.labelled import link_parts
from audiocnn_cli.evaluation.metrics import calibrate, wilson_interval
from audiocnn_cli.evaluation.regression import Estimate, RegressionEvaluation
from audiocnn_cli.evaluation.scoring import Runner, run_scoring
from audiocnn_cli.models.contract import Figure
from audiocnn_cli.models.session import Model

KEPT_APART = "accuracy over clips kept apart"
ECE = "expected calibration error (ECE)"
_RESAMPLES = 1000
# Rounding on another processor may change the predicted label of this proportion of clips.
_TOLERANCE = 0.005

_log = logging.getLogger("audiocnn")


@dataclass(frozen=True, slots=True)
class Protocol:
    """How the figures were measured, for the card: in general, and those of the clips kept apart."""

    of_all: str = ""
    of_kept_apart: str = ""


def measured_figures(evaluation: Evaluation, *, protocol: Protocol) -> tuple[Figure, ...]:
    """All figures of `evaluation`: accuracies, coverage at the model's own threshold, calibration."""
    counts = {
        "accuracy over clips": (evaluation.clips.correct, evaluation.clips.n),
        "accuracy over segments": (evaluation.segments.correct, evaluation.segments.n),
    }
    if evaluation.threshold:
        (own,) = evaluation.coverage([evaluation.threshold])
        counts[f"coverage at threshold {own.threshold:g}"] = (own.covered, own.n)
        if own.covered:
            counts["accuracy over covered clips"] = (own.correct, own.covered)
    for row in evaluation.robustness:
        counts[degraded_name(row.degradation)] = (row.clips.correct, row.clips.n)
    if evaluation.kept_apart is not None:
        counts[KEPT_APART] = (evaluation.kept_apart.correct, evaluation.kept_apart.n)
    proportions = tuple(
        Figure(
            name=name,
            value=count / n,
            interval_95=wilson_interval(count, n),
            n=n,
            protocol=protocol.of_kept_apart if name == KEPT_APART else protocol.of_all,
        )
        for name, (count, n) in counts.items()
    )
    return (*proportions, _calibration_error(evaluation, protocol))


def _calibration_error(evaluation: Evaluation, protocol: Protocol) -> Figure:
    """The ECE with the 95 % interval of resampled clips, which always holds the figure itself."""
    confidences, correct = evaluation.confidences
    value, n = evaluation.calibration.ece, len(confidences)
    random = np.random.default_rng(0)
    sure, hit = np.array(confidences), np.array(correct)
    draws = (random.integers(0, n, n) for _ in range(_RESAMPLES))
    errors = [calibrate(sure[draw].tolist(), hit[draw].tolist()).ece for draw in draws]
    low, high = np.quantile(errors, [0.025, 0.975])
    interval = min(float(low), value), max(float(high), value)
    return Figure(name=ECE, value=value, interval_95=interval, n=n, protocol=protocol.of_all)


def value_figures(evaluation: RegressionEvaluation, *, protocol: Protocol) -> tuple[Figure, ...]:
    """The figures of a regression model: MAE, RMSE and R2 over clips, and the MAE of degraded copies."""
    scores = evaluation.scores
    estimates = {
        "mean absolute error (MAE)": scores.mae,
        "root mean squared error (RMSE)": scores.rmse,
        "R2": scores.r2,
    }
    for degradation, degraded in evaluation.robustness:
        estimates[f"mean absolute error (MAE), {degradation.title}"] = degraded.mae
    return tuple(
        Figure(
            name=name,
            value=value,
            interval_95=(min(low, value), max(high, value)),
            n=scores.n,
            protocol=protocol.of_all,
        )
        for name, (value, low, high) in _defined(estimates)
    )


def _defined(estimates: Mapping[str, Estimate]) -> Iterator[tuple[str, tuple[float, float, float]]]:
    """The value and the interval of those that have both."""
    for name, each in estimates.items():
        if each.value is not None and each.interval_95 is not None:
            yield name, (each.value, *each.interval_95)


def degraded_name(degradation: Degradation) -> str:
    """The name of the accuracy after `degradation`."""
    return f"accuracy over clips, {degradation.title}"


@dataclass(frozen=True, slots=True)
class FigureCheck:
    """A figure of a card and the same figure measured; `problem` is why it could not be compared."""

    model: str
    card: Figure
    measured: Figure | None
    problem: str | None = None

    @property
    def agrees(self) -> bool:
        """Whether both count the same clips as correct, but for one clip or half a per cent."""
        if self.measured is None or not self.same_size:
            return False
        return self._close(self.measured.value * self.measured.n, self.card.value * self.card.n)

    @property
    def same_size(self) -> bool:
        """Whether it was measured on as many clips as the card states."""
        return self.measured is not None and self._close(self.measured.n, self.card.n)

    def _close(self, count: float, other: float) -> bool:
        return abs(count - other) <= max(1.0, _TOLERANCE * self.card.n) + 1e-6


@dataclass(frozen=True, slots=True)
class CardCheck:
    """All checked figures, and the recordings that could not be used."""

    figures: tuple[FigureCheck, ...]
    failures: tuple[Failure, ...]


def check_cards(models: Iterable[Model], root: Path, *, run: Runner = run_scoring) -> CardCheck:
    """Measure every figure of every model again; `root` holds the data sets, each in its folder."""
    figures: list[FigureCheck] = []
    failures: list[Failure] = []
    for model in models:
        contract = model.contract
        _log.info("%s: measuring %d figures", contract.name, len(contract.figures))
        try:
            evaluation = _evaluate(model, root, run=run)
        except AudiocnnError as error:
            problem = str(error)
            figures += (FigureCheck(contract.name, each, None, problem) for each in contract.figures)
        else:
            figures += _compare(model, evaluation)
            failures += evaluation.failures
    return CardCheck(tuple(figures), tuple(failures))


def _evaluate(model: Model, root: Path, *, run: Runner) -> Evaluation:
    data = model.contract.data
    if data.folder is None and not data.parts:
        raise AudiocnnError("its contract names no folder of data")
    names = {figure.name for figure in model.contract.figures}
    degradations = [each for each in DEGRADATIONS if degraded_name(each) in names]
    with link_parts(root, data.parts) if data.folder is None else nullcontext(root / data.folder) as folder:
        return evaluate(folder, model, degradations=degradations, run=run)


def _compare(model: Model, evaluation: Evaluation) -> Iterator[FigureCheck]:
    by_name = {figure.name: figure for figure in measured_figures(evaluation, protocol=Protocol())}
    for figure in model.contract.figures:
        check = FigureCheck(model.contract.name, figure, by_name.get(figure.name))
        if check.measured is None:
            check = replace(check, problem="no figure that `audiocnn evaluate` measures")
        elif not check.same_size:
            problem = f"measured on {check.measured.n}, not {figure.n}: other data than the card's"
            check = replace(check, problem=problem)
        yield check
