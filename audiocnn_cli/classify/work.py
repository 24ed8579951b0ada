"""The work on each input of a batch, as one value that can be sent to another process."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.classify.clip import classify
from audiocnn_cli.classify.options import DEFAULTS, ClassifyOptions
from audiocnn_cli.classify.panel import Panel
from audiocnn_cli.classify.prediction import Prediction
from audiocnn_cli.features.extract import DECODE_AND_EXTRACT
from audiocnn_cli.models import runtime
from audiocnn_cli.models.foreign import Description, open_foreign
from audiocnn_cli.models.session import Model, open_model


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model file, and what the user says of it where it has no contract."""

    path: Path
    described: Description | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """The batch's task: `classify` with models that are opened once for each worker."""

    models: tuple[ModelChoice, ...]
    gate: ModelChoice | None = None
    auto: bool = False
    provider: str = runtime.CPU
    options: ClassifyOptions = DEFAULTS
    modules: ClassVar[tuple[str, ...]] = DECODE_AND_EXTRACT

    def panel(self) -> Panel:
        """The opened models; once opened they stay so.

        Raises:
            ModelRefusedError: one can't be used.
            UsageError: they can't answer together, or not as described.
        """
        panel = Panel(
            models=tuple(_opened(choice, self.provider) for choice in self.models),
            gate=_opened(self.gate, self.provider) if self.gate else None,
            auto=self.auto,
        )
        if not self.auto:
            self.options.thresholds.of(panel.signature)
        return panel

    def prepare(self) -> Callable[[Source], Prediction]:
        """Open the models, and give what labels one input.

        Raises:
            ModelRefusedError, UsageError: as `panel`.
        """
        panel = self.panel()
        return lambda source: classify(source, panel, self.options)


@lru_cache(maxsize=16)
def _opened(choice: ModelChoice, provider: str) -> Model:
    if choice.described is not None:
        return open_foreign(choice.path, choice.described, provider=provider)
    return open_model(choice.path, provider=provider)
