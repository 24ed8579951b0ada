"""The card of a model and its figures: measured for a new card, and again to check an old one."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.errors import AudiocnnError
from audiocnn_cli.evaluation.degrade import DEGRADATIONS, Degradation
from audiocnn_cli.evaluation.evaluate import Evaluation, evaluate
from audiocnn_cli.evaluation.labelled import link_parts
from audiocnn_cli.evaluation.metrics import ConfusionMatrix, calibrate, wilson_interval
from audiocnn_cli.evaluation.regression import Estimate, RegressionEvaluation
from audiocnn_cli.evaluation.scoring import Runner, run_scoring
from audiocnn_cli.models.contract import Figure, ModelContract
from audiocnn_cli.models.session import Model

KEPT_APART = "accuracy over clips kept apart"
ECE = "expected calibration error (ECE)"
_RESAMPLES = 1000
_TABLE_THRESHOLDS = (0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
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


def card(contract: ModelContract, clips: ConfusionMatrix, *, notes: str = "") -> str:
    """The Markdown card of `contract`, with the confusion matrix over its test clips and more sections."""
    features = contract.features
    shape = " x ".join(map(str, contract.input_shape))
    abstains = "" if contract.threshold else "It does not abstain unless `--threshold P` is given.\n"
    network = contract.architecture
    if contract.dimensions is None:
        network += f" (`audiocnn shapes --arch {network}`)"
    return f"""# {contract.name}

Task: {contract.task}. Labels: {", ".join(contract.labels)}.

| | |
|---|---|
| input | {shape}: {features.feature} of {contract.segment_s:g} s at {features.sample_rate} Hz |
| network | {network} |
| output | {contract.activation} a segment, {contract.pooling} over the segments of a clip |
| data | {contract.data.name} |
| licence of the data | {contract.data.licence} |
{"".join(_notice_rows(contract))}| command | `{contract.command}` |

## Evaluation

| figure | value | 95 % interval | n | protocol |
|---|---|---|---|---|
{"".join(_figure_rows(contract))}
Confusion matrix over the test clips: true classes in rows, predicted labels in columns.

| | {" | ".join(clips.labels)} | recall |
|---|{"---:|" * (len(clips.labels) + 1)}
{"".join(_confusion_rows(clips))}
{notes}## Limitations

It has {len(contract.labels)} labels and predicts one of them for any sound, also for a sound that is none of\
 them. The figures are valid for recordings similar to those of the test.
{abstains}{"".join(_notices(contract))}"""


def value_card(contract: ModelContract, values: Sequence[float], *, notes: str = "") -> str:
    """The Markdown card of a regression model; `values` are those of its clips."""
    features = contract.features
    shape = " x ".join(map(str, contract.input_shape))
    low, middle, high = np.quantile(values, [0, 0.5, 1])
    return f"""# {contract.name}

Task: {contract.task}. It gives one number, {contract.labels[0]}.

| | |
|---|---|
| input | {shape}: {features.feature} of {contract.segment_s:g} s at {features.sample_rate} Hz |
| network | {contract.architecture} |
| output | a value a segment, {contract.pooling} over the segments of a clip |
| values of the clips | {low:g} to {high:g}, median {middle:g} |
| data | {contract.data.name} |
| licence of the data | {contract.data.licence} |
{"".join(_notice_rows(contract))}| command | `{contract.command}` |

## Evaluation

Errors are in the unit of the values.

| figure | value | 95 % interval | n | protocol |
|---|---|---|---|---|
{"".join(_figure_rows(contract))}
{notes}## Limitations

It gives a number for any sound, also for a sound that is unlike those of the test. Values outside of those of
the clips are extrapolated.
{"".join(_notices(contract))}"""


def coverage_section(evaluation: Evaluation) -> str:
    """The section of a card on what a stricter threshold gives: fewer labels, more of them correct."""
    rows = "".join(
        f"| {each.threshold:g} | {each.coverage:.3f} |"
        f" {'' if each.accuracy is None else f'{each.accuracy:.3f}'} |\n"
        for each in evaluation.coverage({*_TABLE_THRESHOLDS, evaluation.threshold})
    )
    return f"""## Thresholds

Below its threshold of {evaluation.threshold:g} the model gives no label; `--threshold P` changes it.

| threshold | clips with a label | of these correct |
|---:|---:|---:|
{rows}
"""


def _notice_rows(contract: ModelContract) -> Iterator[str]:
    for notice in contract.notices:
        yield f"| weights of others | {notice.work}; {notice.source} |\n"
        yield f"| licence of these weights | {notice.licence}, below |\n"


def _notices(contract: ModelContract) -> Iterator[str]:
    for notice in contract.notices:
        quoted = "\n".join(f"> {line}".rstrip() for line in notice.text.strip().splitlines())
        yield f"\n## Licence: {notice.work}\n\n{quoted}\n"


def _figure_rows(contract: ModelContract) -> Iterator[str]:
    for figure in contract.figures:
        low, high = figure.interval_95
        interval = f"{low:.3f} to {high:.3f}"
        yield f"| {figure.name} | **{figure.value:.3f}** | {interval} | {figure.n} | {figure.protocol} |\n"


def _confusion_rows(clips: ConfusionMatrix) -> Iterator[str]:
    for (label, score), row in zip(clips.per_class.items(), clips.counts, strict=True):
        recall = "" if score.recall is None else f"{score.recall:.2f}"
        yield f"| **{label}** | {' | '.join(map(str, row))} | {recall} |\n"
