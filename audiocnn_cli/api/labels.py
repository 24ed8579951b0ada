"""Labels for Python."""

from __future__ import annotations

import os
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING, Any

from audiocnn_cli.api.shared import html_table, source_of
from audiocnn_cli.audio.load import Excerpt
from audiocnn_cli.classify.clip import classify as classify_source
from audiocnn_cli.classify.options import ClassifyOptions, Thresholds
from audiocnn_cli.classify.work import Classification as ClassificationTask
from audiocnn_cli.classify.work import ModelChoice
from audiocnn_cli.errors import UsageError
from audiocnn_cli.models.registry import DEFAULT_MODEL, bundled_models, find_model
from audiocnn_cli.output.views.classify import ClassifyView

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from audiocnn_cli.classify.prediction import Candidate, Event, Prediction, TimelineEntry
    from audiocnn_cli.models.contract import ModelContract
    from audiocnn_cli.models.session import Model


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
        model: name of a model, an .onnx file with a contract, or "auto": the model for the type of sound.
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
    return load_model(model)(
        source,
        sample_rate=sample_rate,
        top=top,
        threshold=threshold,
        overlap=overlap,
        smooth=smooth,
        min_event=min_event,
        offset=offset,
        duration=duration,
    )


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
    loaded = LoadedModel(_task(os.fspath(name_or_file)))
    loaded.open()
    return loaded


class LoadedModel:
    """An opened model: call it on samples or a path."""

    def __init__(self, task: ClassificationTask) -> None:
        self._task = task

    def open(self) -> tuple[Model, ...]:
        """The opened ONNX models (several for "auto")."""
        return self._task.ensemble().models

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
        ensemble = replace(self._task, options=options).ensemble()
        return Classification(classify_source(source_of(source, sample_rate), ensemble, options))

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
        models = self.open()
        if len(models) > 1:
            raise UsageError("'auto' stands for several models: load one of them by its name")
        return models[0]


class Classification:
    """The label of a recording, and where in it each label holds."""

    def __init__(self, prediction: Prediction) -> None:
        self.prediction = prediction

    @property
    def label(self) -> str | None:
        """The most probable label; None for an abstention, and `reason` names why."""
        return self.prediction.label

    @property
    def probability(self) -> float:
        """Probability of the most probable label, 0 to 1, also where `label` is None."""
        return self.prediction.probability

    @property
    def abstained(self) -> bool:
        """Whether no label is given."""
        return self.prediction.abstained

    @property
    def reason(self) -> str | None:
        """Why no label is given: silence, below the threshold, or another type of sound."""
        return self.prediction.reason

    @property
    def top(self) -> tuple[Candidate, ...]:
        """The most probable labels with their probabilities, in falling order."""
        return self.prediction.top

    @property
    def events(self) -> tuple[Event, ...]:
        """Where a label holds: start_s and end_s in seconds, label, probability."""
        return self.prediction.events

    @property
    def timeline(self) -> tuple[TimelineEntry, ...]:
        """The segments with the probabilities of all labels."""
        return self.prediction.timeline

    @property
    def model(self) -> str:
        """Name of the model whose labels these are."""
        return self.prediction.model

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the order of the columns of `probabilities`."""
        return tuple(candidate.label for candidate in self.timeline[0].candidates)

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Probabilities of all labels in each segment: (segments, labels)."""
        import numpy as np

        return np.array([[each.probability for each in entry.candidates] for entry in self.timeline])

    def to_dict(self) -> dict[str, Any]:
        """The result that `audiocnn classify --timeline --json` prints."""
        return ClassifyView(timeline=True).document(self.prediction)

    def to_pandas(self) -> pd.DataFrame:
        """A data frame with a row a segment."""
        import pandas as pd

        view = ClassifyView(timeline=True)
        return pd.DataFrame(view.records.of(self.prediction))

    def __repr__(self) -> str:
        best = self.top[0]
        found = self.label or f"no label, {self.reason}; most probable {best.label}"
        return f"<Classification by {self.model}: {found} ({best.probability:.2f})>"

    def _repr_html_(self) -> str:
        rows = [{"label": each.label, "p": f"{each.probability:.2f}"} for each in self.top]
        return f"<p>{escape(repr(self))}</p>{html_table(rows)}"


def _task(name: str) -> ClassificationTask:
    auto = name == "auto"
    if auto:
        files = sorted(bundled_models(), key=lambda file: file.name != DEFAULT_MODEL)
    else:
        files = [find_model(name)]
    return ClassificationTask(models=tuple(ModelChoice(file.path) for file in files), auto=auto)
