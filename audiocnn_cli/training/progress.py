"""How far a training is: a bar on a terminal, a line an epoch elsewhere; and its learning curve."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from audiocnn_cli.output.console import console, log
from audiocnn_cli.output.picture import save_picture
from audiocnn_cli.training.fit import Epoch


@contextmanager
def show_epochs(
    *, epochs: int, networks: int, quiet: bool
) -> Iterator[Callable[[int, Epoch], None]]:
    """A function to call after each epoch with the network's number (from 0) and what the epoch gave."""
    if quiet or not sys.stderr.isatty():
        yield lambda number, epoch: log.info("%s", _line(number, networks, epoch, epochs))
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console(sys.stderr)) as progress:
        task = progress.add_task("training", total=epochs * networks)

        def advance(number: int, epoch: Epoch) -> None:
            progress.update(
                task,
                completed=number * epochs + epoch.number,
                description=_line(number, networks, epoch, epochs),
            )

        yield advance


def _line(number: int, networks: int, epoch: Epoch, epochs: int) -> str:
    network = f"network {number + 1}/{networks}  " if networks > 1 else ""
    line = f"{network}epoch {epoch.number:2}/{epochs}  loss {epoch.loss:.3f}"
    if epoch.validation is not None:
        check = epoch.validation
        line += f"  validation loss {check.loss:.3f}  accuracy {check.accuracy:.3f}"
    return line


def plot_learning_curve(histories: Sequence[Sequence[Epoch]], path: Path, *, force: bool) -> None:
    """Draw the losses of every network over its epochs, and the validation accuracy where there is one.

    Raises:
        OutputError: the picture can't be written.
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
            shown = [check.accuracy for check in checks]
            accuracy.plot(epochs, shown, "k--", label="validation accuracy")
            accuracy.set(ylabel="accuracy of segments", ylim=(0, 1))
            accuracy.legend(loc="upper right")
    losses.legend(loc="upper center")
    save_picture(figure, path, force=force)
