"""Classification as a batch task: it is pickled, and opens its models in the process that runs it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Self

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.classify.clip import classify
from audiocnn_cli.classify.ensemble import Ensemble
from audiocnn_cli.classify.gate import GATE_MODEL, find_gate
from audiocnn_cli.classify.options import DEFAULTS, ClassifyOptions
from audiocnn_cli.classify.prediction import Prediction
from audiocnn_cli.errors import UsageError
from audiocnn_cli.features.extract import DECODE_AND_EXTRACT
from audiocnn_cli.models import runtime
from audiocnn_cli.models.session import Model, open_labelling, open_model

# Types of sound for which `auto` selects a model; there is none for speech.
_AUTO_TYPES = frozenset({"music", "environment"})


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model file that a task names, so that it can be sent to another machine with the task."""

    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """The batch task of `classify`; models are opened once a worker.

    Args:
        models: their scores are averaged; with `auto` the candidates among which the gate selects.
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

    def ensemble(self) -> Ensemble:
        """The opened models; each file is opened once in a process.

        Raises:
            ModelRefusedError: a file is not a valid model.
            UsageError: the models don't fit each other or the options, or there is no gate.
        """
        if self.auto:
            models = tuple(open_model(choice.path, provider=self.provider) for choice in self.models)
            return Ensemble(models=_one_for_each_type(models), gate=self._gate(), auto=True)
        models = tuple(_opened(choice, self.provider) for choice in self.models)
        ensemble = Ensemble(models=models)
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
            ModelRefusedError, UsageError: as `ensemble`.
        """
        ensemble = self.ensemble()
        return lambda source: classify(source, ensemble, self.options)


@lru_cache(maxsize=16)
def _opened(choice: ModelChoice, provider: str) -> Model:
    return open_labelling(choice.path, provider=provider)


def _one_for_each_type(models: tuple[Model, ...]) -> tuple[Model, ...]:
    """The first of the models for each type of sound that has one."""
    by_type: dict[str, Model] = {}
    for model in models:
        if model.signature.sound_type in _AUTO_TYPES:
            by_type.setdefault(model.signature.sound_type, model)
    return tuple(by_type.values())
