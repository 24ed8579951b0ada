"""The work on each input of a batch, as one value that can be sent to another process."""

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
from audiocnn_cli.models.foreign import Description, open_foreign
from audiocnn_cli.models.session import Model, open_model

# Speech is none of them: what is said in it is no label that a bundled model has.
_AUTO_TYPES = frozenset({"music", "environment"})


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model file, and what the user says of it where it has no contract."""

    path: Path
    described: Description | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """The batch's task: `classify` with models that are opened once for each worker.

    With `auto` the gate picks one of `models`, those for music and for environment. `gate` None means: where
    the model names its type, this installation has the gate, and no label is wanted whatever is heard.
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
        """The same work with the models read from other paths."""
        models = tuple(replace(choice, path=moved[choice.path]) for choice in self.models)
        return replace(self, models=models)

    def ensemble(self) -> Ensemble:
        """The opened models; once opened they stay so.

        Raises:
            ModelRefusedError: one can't be used.
            UsageError: they can't answer together, or not as described, or there is no gate.
        """
        models = tuple(_opened(choice, self.provider) for choice in self.models)
        if self.auto:
            return Ensemble(models=_one_a_type(models), gate=self._gate(), auto=True)
        ensemble = Ensemble(models=models)
        self.options.thresholds.of(ensemble.signature)
        wanted = ensemble.signature.sound_type
        if self.gate and wanted is None:
            raise UsageError(
                f"--gate: {ensemble.signature.name} doesn't say which type of sound it is for"
            )
        usual = wanted and find_gate() and not self.options.thresholds.always_answers
        gated = usual if self.gate is None else self.gate
        return replace(ensemble, gate=self._gate()) if gated else ensemble

    def _gate(self) -> Model:
        found = find_gate()
        if found is None:
            raise UsageError(
                f"this installation has no model named {GATE_MODEL}, which tells types of sound"
            )
        return _opened(ModelChoice(found.path), self.provider)

    def prepare(self) -> Callable[[Source], Prediction]:
        """Open the models, and give what labels one input.

        Raises:
            ModelRefusedError, UsageError: as `ensemble`.
        """
        ensemble = self.ensemble()
        return lambda source: classify(source, ensemble, self.options)


@lru_cache(maxsize=16)
def _opened(choice: ModelChoice, provider: str) -> Model:
    if choice.described is not None:
        return open_foreign(choice.path, choice.described, provider=provider)
    return open_model(choice.path, provider=provider)


def _one_a_type(models: tuple[Model, ...]) -> tuple[Model, ...]:
    """The first of the models for each type of sound that has one."""
    by_type: dict[str, Model] = {}
    for model in models:
        if model.signature.sound_type in _AUTO_TYPES:
            by_type.setdefault(model.signature.sound_type, model)
    return tuple(by_type.values())
