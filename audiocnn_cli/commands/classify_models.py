"""From the options of `audiocnn classify` to the models that are asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audiocnn_cli.classify import ClassifyOptions, Thresholds
from audiocnn_cli.classify.gate import GATE_MODEL, find_gate
from audiocnn_cli.classify.work import Classification, ModelChoice
from audiocnn_cli.errors import UsageError
from audiocnn_cli.features.settings import merged_plan
from audiocnn_cli.models.foreign import Description, read_labels
from audiocnn_cli.models.layout import Layout
from audiocnn_cli.models.registry import DEFAULT_MODEL, bundled_models, find_model
from audiocnn_cli.models.session import open_model
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
    """The work that the options mean, its models opened once to see that they can do it.

    Raises:
        UsageError: options that contradict each other.
        ModelRefusedError: a model can't be used.
    """
    if model is not None and ensemble is not None:
        raise UsageError("give either --model or --ensemble")
    if foreign.labels is not None and model is None and ensemble is None:
        raise UsageError("--labels is for a model from elsewhere: add --model FILE.onnx")
    described = foreign.description()
    if model == AUTO:
        return _auto(gate, described, provider, options)
    names = ensemble.split(",") if ensemble is not None else [model or DEFAULT_MODEL]
    if ensemble is not None and len(names) < 2:
        raise UsageError("--ensemble wants two models or more, with commas between them")
    models = tuple(ModelChoice(find_model(name.strip()).path, described) for name in names)
    work = Classification(models=models, provider=provider, options=options)
    wanted = work.panel().signature.sound_type
    if gate and wanted is None:
        raise UsageError(
            f"--gate: {work.panel().signature.name} doesn't say which type of sound it is for"
        )
    usual = wanted is not None and find_gate() is not None
    if not (usual and not options.thresholds.always_answers if gate is None else gate):
        return work
    return Classification(models=models, gate=_gate(), provider=provider, options=options)


def _auto(
    gate: bool | None, described: Description | None, provider: str, options: ClassifyOptions
) -> Classification:
    if gate is False or described is not None:
        raise UsageError(
            "--model auto goes by the gate among the bundled models: leave out --no-gate and --labels"
        )
    by_type: dict[str, ModelChoice] = {}
    for file in sorted(bundled_models(), key=lambda file: file.name != DEFAULT_MODEL):
        kind = open_model(file.path).signature.sound_type
        if kind is not None:
            by_type.setdefault(kind, ModelChoice(file.path))
    return Classification(
        models=tuple(by_type.values()),
        gate=_gate(),
        auto=True,
        provider=provider,
        options=options,
    )


def _gate() -> ModelChoice:
    found = find_gate()
    if found is None:
        raise UsageError(f"this installation has no model named {GATE_MODEL}, which is the gate")
    return ModelChoice(found.path)
