"""Classification as a batch task: it is pickled, and opens its models in the process that runs it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import ClassVar, Self

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.classify.clip import classify
from audiocnn_cli.classify.ensemble import AutoModels, Ensemble
from audiocnn_cli.classify.gate import GATE_MODEL, find_gate
from audiocnn_cli.classify.options import DEFAULTS, ClassifyOptions
from audiocnn_cli.classify.prediction import Prediction
from audiocnn_cli.errors import UsageError
from audiocnn_cli.features.extract import DECODE_AND_EXTRACT
from audiocnn_cli.models import runtime
from audiocnn_cli.models.registry import MODEL_FOR_TYPE, bundled_models
from audiocnn_cli.models.session import Model, open_labelling
from audiocnn_cli.models.signature import Kind


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model file that a task names, so that it can be sent to another machine with the task.

    With `auto` it is the model for clips of the type `sound_type`.
    """

    path: Path
    sound_type: str | None = None


def auto_choices() -> tuple[ModelChoice, ...]:
    """The bundled models that `auto` chooses among."""
    bundled = {model.name: model.path for model in bundled_models()}
    return tuple(
        ModelChoice(bundled[name], sound) for sound, name in MODEL_FOR_TYPE.items() if name in bundled
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """The batch task of `classify`; models are opened once a worker.

    Args:
        models: their scores are averaged; with `auto` one for each type of sound, `auto_choices`.
        gate: whether to use the gate; None: if the model has a `sound_type`, the gate is installed, and the
            thresholds allow to abstain.
        auto: select the model by the type of sound.
        provider: execution provider of ONNX Runtime, by its short name.
        options: of each classification.
    """

    models: tuple[ModelChoice, ...]
    gate: bool | None = None
    auto: bool = False
    provider: str = runtime.CPU
    options: ClassifyOptions = DEFAULTS
    modules: ClassVar[tuple[str, ...]] = DECODE_AND_EXTRACT

    @property
    def files(self) -> tuple[Path, ...]:
        """The model files."""
        return tuple(choice.path for choice in self.models)

    def with_files(self, moved: Mapping[Path, Path]) -> Self:
        """The same task with the models read from other paths."""
        models = tuple(replace(choice, path=moved[choice.path]) for choice in self.models)
        return replace(self, models=models)

    def opened(self) -> Ensemble | AutoModels:
        """The models; each file is opened once in a process, those of `auto` when they are needed.

        Raises:
            ModelRefusedError: a file is not a valid model.
            UsageError: the models don't fit each other or the options, or there is no gate.
        """
        return self._auto_models() if self.auto else self.ensemble()

    def _auto_models(self) -> AutoModels:
        openers = {
            choice.sound_type: partial(_opened, choice, self.provider)
            for choice in self.models
            if choice.sound_type is not None
        }
        auto = AutoModels(gate=self._gate(), by_type=openers)
        if self.options.thresholds.by_label:
            models = [auto.gate, *(opened() for opened in openers.values())]
            known = {label for model in models for label in model.signature.labels}
            for label, _ in self.options.thresholds.by_label:
                if label not in known:
                    names = ", ".join(model.signature.name for model in models)
                    raise UsageError(f"`threshold={label}=...`: auto has no such label in any of {names}")
        return auto

    def ensemble(self) -> Ensemble:
        """The opened models of a task without `auto`.

        Raises:
            ModelRefusedError, UsageError: as `opened`.
        """
        models = tuple(_opened(choice, self.provider) for choice in self.models)
        ensemble = Ensemble(models=models)
        for model in models:
            if model.signature.kind is Kind.REGRESSION:
                self._check_regression(model.signature.name)
        self.options.thresholds.of(ensemble.signature)
        expected = ensemble.signature.sound_type
        if self.gate and expected is None:
            raise UsageError(
                f"`gate=True`: the contract of {ensemble.signature.name} has no `sound_type`, so it is"
                " not known which type of sound it is for"
            )
        usual = expected and find_gate() and not self.options.thresholds.never_abstains
        gated = usual if self.gate is None else self.gate
        return replace(ensemble, gate=self._gate()) if gated else ensemble

    def _check_regression(self, name: str) -> None:
        """Refuse what is for labels, with a model that gives a value."""
        thresholds = self.options.thresholds
        if len(self.models) > 1:
            raise UsageError(f"`ensemble`: {name} gives a value, no labels; use it alone")
        if thresholds.by_label or thresholds.for_all:
            raise UsageError(f"`threshold`: {name} gives a value, no probability; leave it out")

    def _gate(self) -> Model:
        found = find_gate()
        if found is None:
            raise UsageError(
                f"this installation has no model named {GATE_MODEL}, which predicts the type of sound"
            )
        return _opened(ModelChoice(found.path), self.provider)

    def prepare(self) -> Callable[[Source], Prediction]:
        """Open the models and return the function that classifies one input.

        Raises:
            ModelRefusedError, UsageError: as `opened`.
        """
        models = self.opened()
        return lambda source: classify(source, models, self.options)


@lru_cache(maxsize=16)
def _opened(choice: ModelChoice, provider: str) -> Model:
    return open_labelling(choice.path, provider=provider)
