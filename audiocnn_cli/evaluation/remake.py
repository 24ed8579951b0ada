"""The figures of a model's card, measured again on the data that its contract names."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.errors import AudiocnnError
from audiocnn_cli.evaluation.degrade import DEGRADATIONS
from audiocnn_cli.evaluation.evaluate import Evaluation, evaluate
from audiocnn_cli.evaluation.figures import Protocol, degraded_name, measured_figures
from audiocnn_cli.evaluation.parts import put_together
from audiocnn_cli.evaluation.scoring import Asker, ask
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
    measured: Figure | None
    problem: str | None = None

    @property
    def agrees(self) -> bool:
        """Whether it counts as many, of as many, as the card says: but for one, or half a per cent."""
        if self.measured is None:
            return False
        changed = abs(self.measured.value * self.measured.n - self.card.value * self.card.n)
        return self.of_as_many and changed <= self._slack

    @property
    def of_as_many(self) -> bool:
        """Whether it was measured on as many clips as the card says."""
        return self.measured is not None and abs(self.measured.n - self.card.n) <= self._slack

    @property
    def _slack(self) -> float:
        return max(1.0, _MOST_CHANGED * self.card.n) + 1e-6


@dataclass(frozen=True, slots=True)
class Remake:
    """All figures that were asked for, and the recordings that could not be used."""

    figures: tuple[RemadeFigure, ...]
    failures: tuple[Failure, ...]


def remake(
    models: Iterable[Model],
    root: Path,
    *,
    ask: Asker = ask,
) -> Remake:
    """Measure every figure of every model again; `root` holds the data sets, each in its folder."""
    figures: list[RemadeFigure] = []
    failures: list[Failure] = []
    for model in models:
        _log.info("%s: measuring %d figures", model.contract.name, len(model.contract.figures))
        try:
            evaluation = _evaluate(model, root, ask=ask)
        except AudiocnnError as error:
            figures += (
                RemadeFigure(model.contract.name, figure, None, str(error))
                for figure in model.contract.figures
            )
        else:
            figures += _compare(model, evaluation)
            failures += evaluation.failures
    return Remake(tuple(figures), tuple(failures))


def _evaluate(model: Model, root: Path, *, ask: Asker) -> Evaluation:
    data = model.contract.data
    if data.folder is None and not data.parts:
        raise AudiocnnError("its contract names no folder of data")
    names = {figure.name for figure in model.contract.figures}
    degradations = [each for each in DEGRADATIONS if degraded_name(each) in names]
    if data.folder is not None:
        return evaluate(root / data.folder, model, degradations=degradations, ask=ask)
    with put_together(root, data.parts) as folder:
        return evaluate(folder, model, degradations=degradations, ask=ask)


def _compare(model: Model, evaluation: Evaluation) -> Iterator[RemadeFigure]:
    by_name = {figure.name: figure for figure in measured_figures(evaluation, protocol=Protocol())}
    for figure in model.contract.figures:
        remade = RemadeFigure(model.contract.name, figure, by_name.get(figure.name))
        if remade.measured is None:
            yield replace(remade, problem="no figure that `audiocnn evaluate` measures")
        elif not remade.of_as_many:
            problem = f"measured on {remade.measured.n}, not {figure.n}: other data than the card's"
            yield replace(remade, problem=problem)
        else:
            yield remade
