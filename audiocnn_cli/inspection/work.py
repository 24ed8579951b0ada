"""Classify a clip and look into the answer, as one value that can be sent to another process."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from audiocnn_cli.audio.sources import STDIN, Source
from audiocnn_cli.classify.options import ClassifyOptions
from audiocnn_cli.classify.panel import Panel
from audiocnn_cli.classify.prediction import Prediction
from audiocnn_cli.classify.work import Classification
from audiocnn_cli.errors import UsageError
from audiocnn_cli.features.extract import DECODE_AND_EXTRACT
from audiocnn_cli.inspection.occlusion import Why, explain_label
from audiocnn_cli.inspection.trace import Trace, trace
from audiocnn_cli.models.inference import Listener


@dataclass(frozen=True, slots=True)
class Inspected:
    """What is said of a clip, and what was looked into."""

    prediction: Prediction
    trace: Trace | None = None
    why: Why | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """The work on each input: classify it, then trace it and search for what the label rests on."""

    classification: Classification
    trace: bool = False
    why: bool = False
    modules: ClassVar[tuple[str, ...]] = DECODE_AND_EXTRACT

    def prepare(self) -> Callable[[Source], Inspected]:
        """Open the models, and give what looks into one input.

        Raises:
            ModelRefusedError, UsageError: as `Classification.panel`.
        """
        classify = self.classification.prepare()
        panel = self.classification.panel()
        return lambda source: self._inspect(source, classify(_twice_readable(source)), panel)

    def _inspect(self, source: Source, prediction: Prediction, panel: Panel) -> Inspected:
        options = self.classification.options
        listener = listener_of(prediction, panel, options)
        label, excerpt = prediction.top[0].label, options.excerpt
        return Inspected(
            prediction,
            trace(source, listener, excerpt) if self.trace else None,
            explain_label(source, listener, label, excerpt) if self.why else None,
        )


def _twice_readable(source: Source) -> Source:
    if source.path == STDIN:
        raise UsageError(
            "--trace, --why and --report read a recording more than once; write the stream into a file and"
            " name that"
        )
    return source


def listener_of(prediction: Prediction, panel: Panel, options: ClassifyOptions) -> Listener:
    """The model that gave the answer, and how it heard the clip.

    Raises:
        UsageError: it is the mean of several.
    """
    for listener in panel.listeners(options):
        if listener.model.signature.name == prediction.model:
            return listener
    raise UsageError("--trace, --why and --report look into one model; leave out --ensemble")
