"""From the options of `audiocnn classify` to the models that are asked."""

from collections.abc import Sequence

from audiocnn_cli.classify import ClassifyOptions, Thresholds
from audiocnn_cli.classify.work import Classification, ModelChoice
from audiocnn_cli.errors import UsageError
from audiocnn_cli.models.registry import DEFAULT_MODEL, bundled_models, find_model

AUTO = "auto"


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
    auto = model == AUTO
    if auto and gate is False:
        raise UsageError(
            "--model auto goes by the gate among the bundled models: leave out --no-gate"
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
        models=tuple(ModelChoice(file.path) for file in files),
        gate=gate,
        auto=auto,
        provider=provider,
        options=options,
    )
