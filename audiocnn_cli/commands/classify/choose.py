"""From the options of `audiocnn classify` to the models that are asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audiocnn_cli.classify import ClassifyOptions, Thresholds
from audiocnn_cli.classify.work import Classification, ModelChoice
from audiocnn_cli.errors import UsageError
from audiocnn_cli.models.foreign import Description, read_labels
from audiocnn_cli.models.layout import Layout
from audiocnn_cli.models.registry import DEFAULT_MODEL, bundled_models, find_model
from audiocnn_cli.models.signature import Activation

AUTO = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """What the options say of a model without a contract; `features` are settings as `features` has them."""

    labels: str | None
    segment: float | None
    layout: Layout | None
    output: str | None
    activation: Activation | None
    multi_label: bool
    config: str | None
    features: Mapping[str, Any]
    no_top_db: bool

    def description(self) -> Description | None:
        """The description; None without labels.

        Raises:
            UsageError: options that are for such a model, and no labels.
        """
        given = any(value is not None for value in self.features.values()) or self.no_top_db
        if self.labels is None:
            others = (self.segment, self.layout, self.output, self.activation, self.config)
            if given or self.multi_label or any(value is not None for value in others):
                raise UsageError(
                    "the options of features, segments, layout and outputs are for a model from elsewhere:"
                    " add --labels FILE, or leave them out; a model with a contract says them itself"
                )
            return None
        from audiocnn_cli.features.settings import merged_plan

        plan = merged_plan(self.features, self.config, no_top_db=self.no_top_db)
        if len(plan.configs) > 1 or plan.summary or plan.segmentation or plan.keep_channels:
            raise UsageError(
                "a model is fed one feature of mono segments: leave out several, summaries, segments"
                " and channels"
            )
        return Description(
            labels=read_labels(Path(self.labels)),
            features=plan.config,
            segment_s=self.segment,
            layout=self.layout,
            output=self.output,
            activation=self.activation,
            multi_label=self.multi_label,
        )


def thresholds_from(given: Sequence[str]) -> Thresholds:
    """`0.5` is for all labels, `dog=0.3` for one.

    Raises:
        UsageError: one is no number from 0 to 1, or there are two for the same.
    """
    values: dict[str, float] = {}
    for text in given:
        label, _, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError as error:
            raise UsageError(f"--threshold {text}: give a probability, or LABEL=P") from error
        if label in values:
            raise UsageError(f"--threshold {text}: there is another for {label or 'all labels'}")
        values[label] = value
    return Thresholds(values.pop("", None), tuple(values.items()))


def choose_models(
    *,
    model: str | None,
    ensemble: str | None,
    foreign: Foreign,
    gate: bool | None,
    provider: str,
    options: ClassifyOptions,
) -> Classification:
    """The work that the options mean; its models are opened where it is done.

    Raises:
        UsageError: options that contradict each other.
        ModelRefusedError: there is no model of that name.
    """
    if model is not None and ensemble is not None:
        raise UsageError("give either --model or --ensemble")
    if foreign.labels is not None and model is None and ensemble is None:
        raise UsageError("--labels is for a model from elsewhere: add --model FILE.onnx")
    described = foreign.description()
    auto = model == AUTO
    if auto and (gate is False or described is not None):
        raise UsageError(
            "--model auto goes by the gate among the bundled models: leave out --no-gate and --labels"
        )
    if auto:
        files = sorted(bundled_models(), key=lambda file: file.name != DEFAULT_MODEL)
    elif ensemble is not None:
        files = [find_model(name.strip()) for name in ensemble.split(",")]
        if len(files) < 2:
            raise UsageError("--ensemble wants two models or more, with commas between them")
    else:
        files = [find_model(model or DEFAULT_MODEL)]
    return Classification(
        models=tuple(ModelChoice(file.path, described) for file in files),
        gate=gate,
        auto=auto,
        provider=provider,
        options=options,
    )
