"""The figures that a model's card states, by their names."""

from dataclasses import dataclass

from audiocnn_cli.evaluation.degrade import Degradation
from audiocnn_cli.evaluation.evaluate import Evaluation
from audiocnn_cli.evaluation.metrics import wilson_interval
from audiocnn_cli.models.contract import Figure

KEPT_APART = "accuracy over clips kept apart"


@dataclass(frozen=True, slots=True)
class Protocol:
    """How the figures were measured, for the card: in general, and those of the clips kept apart."""

    of_all: str = ""
    of_kept_apart: str = ""


def measured_figures(evaluation: Evaluation, *, protocol: Protocol) -> tuple[Figure, ...]:
    """All figures of `evaluation`: accuracies, and where the model abstains how much that leaves."""
    counts = {
        "accuracy over clips": (evaluation.clips.correct, evaluation.clips.n),
        "accuracy over segments": (evaluation.segments.correct, evaluation.segments.n),
    }
    if evaluation.threshold:
        (own,) = evaluation.coverage([evaluation.threshold])
        counts[f"answered at threshold {own.threshold:g}"] = (own.answered, own.n)
        if own.answered:
            counts["accuracy on what is answered"] = (own.right, own.answered)
    for row in evaluation.robustness:
        counts[degraded_name(row.degradation)] = (row.clips.correct, row.clips.n)
    if evaluation.kept_apart is not None:
        counts[KEPT_APART] = (evaluation.kept_apart.correct, evaluation.kept_apart.n)
    return tuple(
        Figure(
            name=name,
            value=count / n,
            interval_95=wilson_interval(count, n),
            n=n,
            protocol=protocol.of_kept_apart if name == KEPT_APART else protocol.of_all,
        )
        for name, (count, n) in counts.items()
    )


def degraded_name(degradation: Degradation) -> str:
    """What the accuracy after `degradation` is called."""
    return f"accuracy over clips, {degradation.title}"
