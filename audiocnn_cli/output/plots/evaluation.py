"""Figures of an evaluation (confusion matrix, reliability, coverage; values) and of a training (losses)."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiocnn_cli.evaluation.evaluate import Evaluation
from audiocnn_cli.evaluation.metrics import Calibration, ConfusionMatrix
from audiocnn_cli.evaluation.regression import RegressionEvaluation
from audiocnn_cli.output.plots.figure import plain, save_picture

if TYPE_CHECKING:
    from audiocnn_cli.training.fit import Epoch

# With more classes the counts would overlap.
_MOST_CLASSES = 20
_BLUE, _ORANGE = "#4c8bf5", "#e8710a"


def plot_evaluation(evaluation: Evaluation, path: Path, *, force: bool) -> None:
    """Plot `evaluation` to `path`, as PNG, SVG or PDF by its ending.

    Raises:
        OutputError: it can't be written.
    """
    from matplotlib.figure import Figure

    side = min(14.0, max(5.0, 1.5 + 0.42 * len(evaluation.clips.labels)))
    figure = Figure(figsize=(side + 9, max(5.0, side)), layout="constrained")
    confusion, reliability, coverage = figure.subplots(1, 3, width_ratios=(side, 4.5, 4.5))
    reliability.set_box_aspect(1)
    coverage.set_box_aspect(1)
    low, high = evaluation.clips.interval_95
    figure.suptitle(
        f"{plain(evaluation.model)}: accuracy {evaluation.clips.accuracy:.3f} ({low:.3f} to {high:.3f}) over"
        f" {evaluation.clips.n} clips"
    )
    _plot_confusion(confusion, evaluation.clips)
    _plot_reliability(reliability, evaluation.calibration)
    _plot_coverage(coverage, evaluation)
    save_picture(figure, path, force=force)


def _plot_confusion(axes: Any, clips: ConfusionMatrix) -> None:
    """True classes in rows, coloured by the proportion of the row, with the counts."""
    names = [plain(label) for label in clips.labels]
    proportions = [[n / (sum(row) or 1) for n in row] for row in clips.counts]
    axes.imshow(proportions, cmap="Blues", vmin=0, vmax=1, aspect="equal")
    positions = range(len(names))
    axes.set_xticks(positions, names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(positions, names)
    axes.set(xlabel="predicted label", ylabel="true class", title="confusion (clips)")
    if len(names) > _MOST_CLASSES:
        return
    for i, row in enumerate(clips.counts):
        for j, n in enumerate(row):
            if n:
                color = "white" if proportions[i][j] > 0.5 else "black"
                axes.text(j, i, str(n), ha="center", va="center", color=color, fontsize=8)


def _plot_reliability(axes: Any, calibration: Calibration) -> None:
    """The accuracy of each bin of confidence beside the diagonal, and the number of clips in each."""
    bins = calibration.bins
    bars = {"width": bins[0].high - bins[0].low, "align": "edge"}
    filled = [each for each in bins if each.accuracy is not None]
    accuracies = [each.accuracy for each in filled]
    lows = [each.low for each in filled]
    axes.bar(lows, accuracies, **bars, color=_BLUE, edgecolor="white", label="accuracy")
    means = [each.confidence for each in filled]
    axes.plot(means, accuracies, "o", color="black", markersize=3, label="mean confidence")
    axes.plot([0, 1], [0, 1], "--", color="black", linewidth=1)
    counts = axes.twinx()
    counts.set_box_aspect(1)
    sizes = [each.n for each in bins]
    counts.bar([each.low for each in bins], sizes, **bars, color="none", edgecolor=_ORANGE)
    counts.set(ylim=(0, 4 * max(sizes)), yticks=[0, max(sizes)])
    counts.set_ylabel("clips", color=_ORANGE, loc="bottom")
    title = f"reliability (ECE {calibration.ece:.3f})"
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="confidence", ylabel="accuracy", title=title)
    axes.legend(loc="upper left", fontsize=8)


def _plot_coverage(axes: Any, evaluation: Evaluation) -> None:
    """Accuracy over the covered clips, from the most confident ones alone to all of them."""
    rows = evaluation.coverage(each.confidence for each in evaluation.predictions)
    coverage = [row.coverage for row in rows]
    low, high = zip(*(row.interval_95 for row in rows if row.interval_95), strict=True)
    axes.fill_between(coverage, low, high, color=_BLUE, alpha=0.2, linewidth=0, label="95 % interval")
    axes.plot(coverage, [row.accuracy for row in rows], color=_BLUE, label="accuracy")
    (own,) = evaluation.coverage([evaluation.threshold])
    if own.accuracy is not None:
        label = f"the model's threshold, {own.threshold:.2f}"
        axes.plot(own.coverage, own.accuracy, "o", color=_ORANGE, label=label)
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), title="accuracy against coverage")
    axes.set(xlabel="coverage (proportion of clips)", ylabel="accuracy")
    axes.legend(loc="lower left", fontsize=8)


def plot_values(evaluation: RegressionEvaluation, path: Path, *, force: bool) -> None:
    """Plot the values of a regression model against the targets, and its errors, as PNG, SVG or PDF.

    Raises:
        OutputError: it can't be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5), layout="constrained")
    scatter, errors = figure.subplots(1, 2)
    scores, quantity = evaluation.scores, plain(evaluation.quantity)
    figure.suptitle(
        f"{plain(evaluation.model)}: MAE {_short(scores.mae.value)}, R2 {_short(scores.r2.value)} over"
        f" {scores.n} clips"
    )
    true = [each.target.value for each in evaluation.clips]
    found = [each.prediction.value for each in evaluation.clips]
    ends = [min(*true, *found), max(*true, *found)]
    scatter.plot(ends, ends, "--", color="black", linewidth=1, label="exact")
    scatter.plot(true, found, "o", color=_BLUE, alpha=0.6, markersize=4, label="clip")
    scatter.set(xlabel=f"true {quantity}", ylabel=f"predicted {quantity}", title="values")
    scatter.set_box_aspect(1)
    scatter.legend(loc="upper left", fontsize=8)
    errors.hist([each.error for each in evaluation.clips], bins="auto", color=_BLUE, edgecolor="white")
    errors.axvline(0, color="black", linestyle="--", linewidth=1)
    errors.set(xlabel=f"error of {quantity} (predicted - true)", ylabel="clips", title="errors")
    save_picture(figure, path, force=force)


def _short(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4g}"


def plot_learning_curve(histories: "Sequence[Sequence[Epoch]]", path: Path, *, force: bool) -> None:
    """Plot loss and accuracy of every network against its epochs, of training and validation.

    The best epoch of a network with validation, whose weights are kept, is marked.

    Raises:
        OutputError: the figure can't be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    losses, accuracies = figure.subplots(1, 2)
    losses.set(xlabel="epoch", ylabel="loss (nats a segment)", title="Loss")
    accuracies.set(xlabel="epoch", ylabel="accuracy of segments", ylim=(0, 1.02), title="Accuracy")
    for number, history in enumerate(histories, start=1):
        which = "" if len(histories) == 1 else f", network {number}"
        epochs = [epoch.number for epoch in history]
        (line,) = losses.plot(epochs, [epoch.loss for epoch in history], label=f"training{which}")
        colour = line.get_color()
        trained = [epoch for epoch in history if epoch.accuracy is not None]
        points = [epoch.number for epoch in trained], [epoch.accuracy for epoch in trained]
        accuracies.plot(*points, color=colour, label=f"training{which}")
        checked = [epoch for epoch in history if epoch.validation is not None]
        if not checked:
            continue
        for axes, name in ((losses, "loss"), (accuracies, "accuracy")):
            values = [getattr(epoch.validation, name) for epoch in checked]
            numbers = [epoch.number for epoch in checked]
            axes.plot(numbers, values, "--", color=colour, label=f"validation{which}")
            best = checked[-1].best
            at = [(n, v) for n, v in zip(numbers, values, strict=True) if n == best]
            axes.plot(*zip(*at, strict=True), "o", color=colour, label=f"best epoch: {best}{which}")
    for axes in (losses, accuracies):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    save_picture(figure, path, force=force)
