"""Classify a clip and look into the answer, as one value that can be sent to another process."""

from dataclasses import dataclass

from audiocnn_cli.audio.sources import STDIN, Source
from audiocnn_cli.classify.options import ClassifyOptions
from audiocnn_cli.classify.panel import Panel
from audiocnn_cli.classify.prediction import Prediction
from audiocnn_cli.classify.work import Classification
from audiocnn_cli.errors import UsageError
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

    def __call__(self, source: Source) -> Inspected:
        """Look into one input.

        Raises:
            SignalError: it can't be used.
            UsageError: it can't be read more than once, or several models answer together.
        """
        if source.path == STDIN:
            raise UsageError(
                "--trace, --why and --report read a recording more than once; write the stream into a file"
                " and name that"
            )
        panel, options = self.classification.panel(), self.classification.options
        prediction = self.classification(source)
        listener = listener_of(prediction, panel, options)
        return Inspected(
            prediction,
            trace(source, listener, options.excerpt) if self.trace else None,
            explain_label(source, listener, prediction.top[0].label, options.excerpt)
            if self.why
            else None,
        )


def listener_of(prediction: Prediction, panel: Panel, options: ClassifyOptions) -> Listener:
    """The model that gave the answer, and how it heard the clip.

    Raises:
        UsageError: it is the mean of several.
    """
    for listener in panel.listeners(options):
        if listener.model.signature.name == prediction.model:
            return listener
    raise UsageError("--trace, --why and --report look into one model; leave out --ensemble")
