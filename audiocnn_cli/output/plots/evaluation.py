"""An evaluation as a picture: confusion matrix, reliability, and what abstaining buys."""

from pathlib import Path
from typing import Any

from audiocnn_cli.evaluation.calibration import Calibration
from audiocnn_cli.evaluation.evaluate import Evaluation
from audiocnn_cli.evaluation.metrics import Scores
from audiocnn_cli.output.plots.figure import plain, save_picture

# Beyond so many classes the counts would overlap.
_MOST_COUNTS = 20


def draw_evaluation(evaluation: Evaluation, path: Path, *, force: bool) -> None:
    """Draw `evaluation` into `path`, PNG, SVG or PDF by its ending.

    Raises:
        OutputError: it can't be written.
    """
    from matplotlib.figure import Figure

    side = min(14.0, max(5.0, 1.5 + 0.42 * len(evaluation.clips.labels)))
    figure = Figure(figsize=(side + 9, max(5.0, side)), layout="constrained")
    panels = figure.subplots(1, 3, width_ratios=(side, 4.5, 4.5))
    for ensemble in panels[1:]:
        ensemble.set_box_aspect(1)
    low, high = evaluation.clips.interval_95
    figure.suptitle(
        f"{plain(evaluation.model)}: accuracy {evaluation.clips.accuracy:.3f} ({low:.3f} to {high:.3f}) over"
        f" {evaluation.clips.n} clips"
    )
    _draw_confusion(panels[0], evaluation.clips)
    _draw_reliability(panels[1], evaluation.calibration)
    _draw_coverage(panels[2], evaluation)
    save_picture(figure, path, force=force)


def _draw_confusion(ensemble: Any, scores: Scores) -> None:
    """Rows in their true class, coloured by the part of the row, with the counts."""
    names = [plain(label) for label in scores.labels]
    parts = [[n / (sum(row) or 1) for n in row] for row in scores.confusion]
    ensemble.imshow(parts, cmap="Blues", vmin=0, vmax=1, aspect="equal")
    places = range(len(names))
    ensemble.set_xticks(places, names, rotation=45, ha="right", rotation_mode="anchor")
    ensemble.set_yticks(places, names)
    ensemble.set_xlabel("label said")
    ensemble.set_ylabel("true class")
    ensemble.set_title("confusion (clips)")
    if len(names) > _MOST_COUNTS:
        return
    for i, row in enumerate(scores.confusion):
        for j, n in enumerate(row):
            if n:
                color = "white" if parts[i][j] > 0.5 else "black"
                ensemble.text(j, i, str(n), ha="center", va="center", color=color, fontsize=8)


def _draw_reliability(ensemble: Any, calibration: Calibration) -> None:
    """Accuracy of each bin of confidence beside the diagonal, and below how many clips stand in it."""
    bins = calibration.bins
    width = bins[0].high - bins[0].low
    filled = [(b, b.confidence, b.accuracy) for b in bins if b.accuracy is not None]
    ensemble.bar(
        [b.low for b, _, _ in filled],
        [accuracy for _, _, accuracy in filled],
        width=width,
        align="edge",
        color="#4c8bf5",
        edgecolor="white",
        label="accuracy",
    )
    ensemble.plot(
        [confidence for _, confidence, _ in filled],
        [accuracy for _, _, accuracy in filled],
        "o",
        color="black",
        markersize=3,
        label="mean confidence",
    )
    ensemble.plot([0, 1], [0, 1], "--", color="black", linewidth=1)
    most = max(b.n for b in bins)
    counts = ensemble.twinx()
    counts.set_box_aspect(1)
    counts.bar(
        [b.low for b in bins],
        [b.n for b in bins],
        width=width,
        align="edge",
        color="none",
        edgecolor="#e8710a",
    )
    counts.set_ylim(0, 4 * most)
    counts.set_yticks([0, most])
    counts.set_ylabel("clips", color="#e8710a", loc="bottom")
    ensemble.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="confidence", ylabel="accuracy")
    ensemble.set_title(f"reliability (ECE {calibration.ece:.3f})")
    ensemble.legend(loc="upper left", fontsize=8)


def _draw_coverage(ensemble: Any, evaluation: Evaluation) -> None:
    """Accuracy of what is answered, from the surest clips alone on the left to all of them."""
    rows = evaluation.coverage(answer.confidence for answer in evaluation.answers)
    answered = [row for row in rows if row.accuracy is not None and row.interval_95 is not None]
    coverage = [row.coverage for row in answered]
    ensemble.fill_between(
        coverage,
        [row.interval_95[0] for row in answered if row.interval_95],
        [row.interval_95[1] for row in answered if row.interval_95],
        color="#4c8bf5",
        alpha=0.2,
        linewidth=0,
        label="95 % interval",
    )
    ensemble.plot(coverage, [row.accuracy for row in answered], color="#4c8bf5", label="accuracy")
    (own,) = evaluation.coverage([evaluation.threshold])
    if own.accuracy is not None:
        ensemble.plot(
            own.coverage,
            own.accuracy,
            "o",
            color="#e8710a",
            label=f"the model's threshold, {own.threshold:.2f}",
        )
    ensemble.set(
        xlim=(0, 1.02), ylim=(0, 1.02), xlabel="coverage (part answered)", ylabel="accuracy"
    )
    ensemble.set_title("accuracy against coverage")
    ensemble.legend(loc="lower left", fontsize=8)
