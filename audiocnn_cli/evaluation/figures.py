"""The figures that a model's card states, by their names."""

from audiocnn_cli.evaluation.degrade import Degradation
from audiocnn_cli.evaluation.evaluate import Evaluation
from audiocnn_cli.evaluation.metrics import wilson_interval
from audiocnn_cli.models.contract import Figure


def measured_figures(evaluation: Evaluation, *, protocol: str) -> tuple[Figure, ...]:
    """All figures of `evaluation`: accuracies, and where the model abstains how much that leaves.

    `protocol` says on the card how they were measured.
    """
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
    return tuple(
        Figure(
            name=name,
            value=count / n,
            interval_95=wilson_interval(count, n),
            n=n,
            protocol=protocol,
        )
        for name, (count, n) in counts.items()
    )


def degraded_name(degradation: Degradation) -> str:
    """What the accuracy after `degradation` is called."""
    return f"accuracy over clips, {degradation.title}"
