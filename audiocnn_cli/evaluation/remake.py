"""The figures of a model's card, measured again on the data that its contract names."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.errors import AudiocnnError
from audiocnn_cli.evaluation.degrade import DEGRADATIONS, Degradation
from audiocnn_cli.evaluation.evaluate import Evaluation, evaluate
from audiocnn_cli.evaluation.metrics import Scores
from audiocnn_cli.models.contract import Figure
from audiocnn_cli.models.session import Model

# Another processor may round a probability to the other side now and then.
_MOST_CHANGED = 0.005

_log = logging.getLogger("audiocnn")


@dataclass(frozen=True, slots=True)
class RemadeFigure:
    """A figure as the card has it, and as it was measured; `problem` says why it was not."""

    model: str
    card: Figure
    measured: Scores | None
    problem: str | None = None

    @property
    def agrees(self) -> bool:
        """Whether as many clips are right as the card says, but for one clip or half a per cent."""
        if self.measured is None or self.measured.n != self.card.n:
            return False
        changed = abs(self.measured.accuracy - self.card.value) * self.card.n
        return changed <= max(1.0, _MOST_CHANGED * self.card.n) + 1e-6


@dataclass(frozen=True, slots=True)
class Remake:
    """All figures that were asked for, and the recordings that could not be used."""

    figures: tuple[RemadeFigure, ...]
    failures: tuple[Failure, ...]


def figure_scores(evaluation: Evaluation) -> dict[str, Scores]:
    """The scores of an evaluation by the names that they have on a card."""
    return {
        "accuracy over clips": evaluation.clips,
        "accuracy over segments": evaluation.segments,
    } | {_degraded_name(row.degradation): row.clips for row in evaluation.robustness}


def _degraded_name(degradation: Degradation) -> str:
    return f"accuracy over clips, {degradation.title}"


def remake(models: Iterable[Model], root: Path, *, jobs: int | None = None) -> Remake:
    """Measure every figure of every model again; `root` holds the data sets, each in its folder."""
    figures: list[RemadeFigure] = []
    failures: list[Failure] = []
    for model in models:
        _log.info("%s: measuring %d figures", model.contract.name, len(model.contract.figures))
        try:
            evaluation = _evaluate(model, root, jobs=jobs)
        except AudiocnnError as error:
            figures += (
                RemadeFigure(model.contract.name, figure, None, str(error))
                for figure in model.contract.figures
            )
        else:
            figures += _compare(model, evaluation)
            failures += evaluation.failures
    return Remake(tuple(figures), tuple(failures))


def _evaluate(model: Model, root: Path, *, jobs: int | None) -> Evaluation:
    folder = model.contract.data.folder
    if folder is None:
        raise AudiocnnError("its contract names no folder of data")
    names = {figure.name for figure in model.contract.figures}
    degradations = [each for each in DEGRADATIONS if _degraded_name(each) in names]
    return evaluate(root / folder, model, degradations=degradations, jobs=jobs)


def _compare(model: Model, evaluation: Evaluation) -> Iterator[RemadeFigure]:
    scores = figure_scores(evaluation)
    for figure in model.contract.figures:
        measured = scores.get(figure.name)
        problem = None
        if measured is None:
            problem = "no figure that `audiocnn evaluate` measures"
        elif measured.n != figure.n:
            problem = f"measured on {measured.n}, not {figure.n}: other data than the card's"
        yield RemadeFigure(model.contract.name, figure, measured, problem)
