"""The progress of a training: a bar on a terminal, else one log line an epoch."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from audiocnn_cli.output.terminal.console import console, log
from audiocnn_cli.training.fit import Epoch


@contextmanager
def show_epochs(*, epochs: int, networks: int, quiet: bool) -> Iterator[Callable[[int, Epoch], None]]:
    """Yield the function to call after each epoch with the index of the network and the epoch."""
    if quiet or not sys.stderr.isatty():
        yield lambda number, epoch: log.info("%s", _line(number, networks, epoch, epochs))
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(sys.stderr)) as progress:
        task = progress.add_task("training", total=epochs * networks)

        def advance(number: int, epoch: Epoch) -> None:
            done, line = number * epochs + epoch.number, _line(number, networks, epoch, epochs)
            progress.update(task, completed=done, description=line)

        yield advance


def _line(number: int, networks: int, epoch: Epoch, epochs: int) -> str:
    network = f"network {number + 1}/{networks}  " if networks > 1 else ""
    line = f"{network}epoch {epoch.number:2}/{epochs}  loss {epoch.loss:.3f}"
    if (check := epoch.validation) is not None:
        line += f"  validation loss {check.loss:.3f}  accuracy {check.accuracy:.3f}"
    return line
