"""Labels for Python."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.api.shared import notebook_html, source_of
from audiocnn_cli.audio.load import Excerpt
from audiocnn_cli.classify import AutoModels
from audiocnn_cli.classify.clip import classify as classify_source
from audiocnn_cli.classify.options import ClassifyOptions, Thresholds
from audiocnn_cli.classify.prediction import Prediction
from audiocnn_cli.classify.work import Classification as ClassificationTask
from audiocnn_cli.classify.work import ModelChoice, auto_choices
from audiocnn_cli.errors import UsageError
from audiocnn_cli.models.contract import ModelContract
from audiocnn_cli.models.registry import AUTO, find_model
from audiocnn_cli.models.session import Model
from audiocnn_cli.output.views.classify import ClassifyView

if TYPE_CHECKING:
    import pandas as pd


def classify(
    source: Any,
    model: str | os.PathLike[str] = "auto",
    *,
    sample_rate: int | None = None,
    top: int = 3,
    threshold: float | None = None,
    overlap: float | None = None,
    smooth: float = 0.0,
    min_event: float = 0.0,
    offset: float = 0.0,
    duration: float | None = None,
) -> Classification:
    """Label a recording: the mean of the probabilities of its segments.

    Args:
        source: a path, or samples of shape (n,) or (n, channels).
        model: name of a model, an .onnx file with a contract, or "auto": the model for the type of sound,
            music or environment; speech is labelled "speech".
        sample_rate: of the samples of an array, in Hz; the array is resampled to the model's rate.
        top: number of candidates in the result.
        threshold: probability below which no label is given; None takes the model's; 0 always gives one.
        overlap: fraction of a segment that the next one repeats; None takes the model's.
        smooth: seconds over which the probabilities of segments are averaged.
        min_event: events of fewer seconds are left out.
        offset: seconds at the beginning to leave out.
        duration: seconds to read; None reads to the end.

    Raises:
        ModelRefusedError: there is no such model, or it does not match its contract.
        UsageError: a value is out of its range.
        InputError: the recording can't be read.

    Example:
        >>> import numpy as np
        >>> import audiocnn_cli as audiocnn
        >>> audiocnn.classify(np.zeros(22050), "genre-cnn", sample_rate=22050).reason
        'silence'
    """
    given = locals()
    return load_model(given.pop("model"))(**given)


def load_model(name_or_file: str | os.PathLike[str] = "auto") -> LoadedModel:
    """Open a model once, to label many recordings or arrays with it.

    Args:
        name_or_file: as `model` of `classify`.

    Raises:
        ModelRefusedError: there is no such model, or it does not match its contract.

    Example:
        >>> import audiocnn_cli as audiocnn
        >>> model = audiocnn.load_model("genre-cnn")
        >>> len(model.labels), model.sample_rate
        (10, 22050)
    """
    name = os.fspath(name_or_file)
    auto = name == AUTO
    models = auto_choices() if auto else (ModelChoice(find_model(name).path),)
    loaded = LoadedModel(ClassificationTask(models=models, auto=auto))
    loaded.open()
    return loaded


class LoadedModel:
    """An opened model: call it on samples or a path."""

    def __init__(self, task: ClassificationTask) -> None:
        self._task = task

    def open(self) -> tuple[Model, ...]:
        """The opened ONNX model; for "auto" the model of the type of sound, before the first recording."""
        models = self._task.opened()
        return (models.gate,) if isinstance(models, AutoModels) else models.models

    def __call__(
        self,
        source: Any,
        *,
        sample_rate: int | None = None,
        top: int = 3,
        threshold: float | None = None,
        overlap: float | None = None,
        smooth: float = 0.0,
        min_event: float = 0.0,
        offset: float = 0.0,
        duration: float | None = None,
    ) -> Classification:
        """Label `source`; `sample_rate` of an array defaults to the model's. Parameters as `classify`."""
        options = ClassifyOptions(
            top=top,
            thresholds=Thresholds(threshold),
            excerpt=Excerpt(offset, duration),
            overlap=overlap,
            smooth_s=smooth,
            min_event_s=min_event,
        )
        models = replace(self._task, options=options).opened()
        return Classification(classify_source(source_of(source, sample_rate), models, options))

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the model's outputs."""
        return self._only.signature.labels

    @property
    def sample_rate(self) -> int:
        """The rate in Hz of what the model is fed."""
        return self._only.signature.features.sample_rate

    @property
    def segment_s(self) -> float:
        """Length of a segment in seconds."""
        return self._only.signature.segment_s

    @property
    def contract(self) -> ModelContract:
        """Everything that the model file states: data, licence, figures, features."""
        return self._only.contract

    @property
    def _only(self) -> Model:
        if self._task.auto:
            raise UsageError("'auto' stands for several models: load one of them by its name")
        return self.open()[0]


class Classification:
    """The label of a recording, and where in it each label holds.

    Attributes:
        label: the most probable label; None for an abstention, and `reason` names why.
        probability: of the most probable label, 0 to 1, also where `label` is None.
        abstained: whether no label is given.
        reason: why no label is given: below the threshold, a type of sound that is not clear, silence, or
            another type of sound than the model is for.
        sound_type: the type of sound by the gate, with `name` and `probability`; None without a gate.
        top: the most probable labels with their probabilities, in falling order.
        events: where a label holds: start_s and end_s in seconds, label, probability.
        timeline: the segments with the probabilities of all labels.
        model: name of the model whose labels these are.
        labels: in the order of the columns of `probabilities`.
        quantity: name of what a regression model gives; None for other models.
        value: its number; None for other models, and for silence and other types of sound than it is for.
            A regression model has no label and no candidates, and its probability is NaN.
    """

    def __init__(self, prediction: Prediction) -> None:
        self.prediction = prediction
        self.label = prediction.label
        self.quantity = prediction.quantity
        self.value = prediction.value
        self.probability = prediction.probability if self.quantity is None else math.nan
        self.abstained = prediction.abstained
        self.reason = prediction.reason
        self.top = prediction.top if self.quantity is None else ()
        self.events = prediction.events
        self.timeline = prediction.timeline
        self.model = prediction.model
        self.sound_type = prediction.sound_type
        names = tuple(candidate.label for candidate in self.timeline[0].candidates)
        self.labels = names if self.quantity is None else ()

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Probabilities of all labels in each segment: (segments, labels)."""
        rows = [[each.probability for each in entry.candidates] for entry in self.timeline]
        return np.array(rows)[:, : len(self.labels)]

    def to_dict(self) -> dict[str, Any]:
        """The result that `audiocnn classify --timeline --json` prints."""
        return ClassifyView(timeline=True).document(self.prediction)

    def to_pandas(self) -> pd.DataFrame:
        """A data frame with a row a segment."""
        import pandas as pd

        return pd.DataFrame(ClassifyView(timeline=True).records.of(self.prediction))

    def __repr__(self) -> str:
        if self.quantity is not None:
            shown = self.reason if self.value is None else f"{self.value:.5g}"
            return f"<Classification by {self.model}: {self.quantity} {shown}>"
        best = self.top[0]
        found = self.label or f"{best.label}?"
        reason = f", {self.reason}" if self.abstained else ""
        return f"<Classification by {self.model}: {found} ({best.probability:.2f}){reason}>"

    def _repr_html_(self) -> str:
        if self.quantity is not None:
            return notebook_html(self, [{self.quantity: str(self.value)}])
        rows = [{"label": each.label, "p": f"{each.probability:.2f}"} for each in self.top]
        return notebook_html(self, rows)
