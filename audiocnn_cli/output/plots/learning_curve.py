"""A figure of the learning curves of a training."""

from collections.abc import Sequence
from pathlib import Path

from audiocnn_cli.output.plots.figure import save_picture
from audiocnn_cli.training.fit import Epoch


def plot_learning_curve(histories: Sequence[Sequence[Epoch]], path: Path, *, force: bool) -> None:
    """Plot the loss of every network against its epochs, and the validation accuracy if there is one.

    Raises:
        OutputError: the figure can't be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    losses = figure.subplots()
    losses.set(xlabel="epoch", ylabel="loss (nats a segment)", title="Learning curve")
    losses.grid(alpha=0.3)
    for number, history in enumerate(histories, start=1):
        epochs = [epoch.number for epoch in history]
        label = "training" if len(histories) == 1 else f"network {number}"
        losses.plot(epochs, [epoch.loss for epoch in history], label=label)
        checks = [epoch.validation for epoch in history if epoch.validation is not None]
        if checks:
            losses.plot(epochs, [check.loss for check in checks], label="validation")
            accuracy = losses.twinx()
            values = [check.accuracy for check in checks]
            accuracy.plot(epochs, values, "k--", label="validation accuracy")
            accuracy.set(ylabel="accuracy of segments", ylim=(0, 1))
            accuracy.legend(loc="upper right")
    losses.legend(loc="upper center")
    save_picture(figure, path, force=force)
