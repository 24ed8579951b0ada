"""The progress of a training: a bar and the last epoch on a terminal, else one log line an epoch."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from audiocnn_cli.output.terminal.console import console, log, logs_json, show_status

if TYPE_CHECKING:  # imports PyTorch
    from audiocnn_cli.training.fit import Epoch

_STATUS_EVERY_S, _LOG_EVERY_S = 0.1, 30.0


class HeadProgress:
    """Lines of what the training of a head does, and how many clips are embedded."""

    def __init__(self, *, on_terminal: bool) -> None:
        self._on_terminal = on_terminal
        self._started = self._shown = time.monotonic()

    def embedded(self, done: int, total: int) -> None:
        """Show it on the status line of a terminal, or in a log line every 30 s."""
        now = time.monotonic()
        every = _STATUS_EVERY_S if self._on_terminal else _LOG_EVERY_S
        if done == total:
            self.clear()
            log.info("embedded %d clips", total)
        elif now - self._shown >= every:
            self._shown = now
            left = (now - self._started) / done * (total - done)
            line = f"embedding {done}/{total} clips, {left:.0f} s left"
            if self._on_terminal:
                show_status(line)
            else:
                log.info("%s", line)

    def stage(self, text: str) -> None:
        """A line of its own."""
        log.info("%s", text)

    def clear(self) -> None:
        """Remove the status line."""
        if self._on_terminal:
            show_status("")


@contextmanager
def show_head(*, quiet: bool) -> Iterator[HeadProgress]:
    """Yield what prints the progress of a head."""
    progress = HeadProgress(on_terminal=sys.stderr.isatty() and not quiet and not logs_json())
    try:
        yield progress
    finally:
        progress.clear()


@contextmanager
def show_epochs(*, epochs: int, networks: int, quiet: bool) -> Iterator[Callable[[int, "Epoch"], None]]:
    """Yield the function to call after each epoch with the index of the network and the epoch."""
    clock = _Clock(epochs * networks)
    if quiet or not sys.stderr.isatty():

        def write(number: int, epoch: "Epoch") -> None:
            left = clock.left(_done(number, epoch, epochs))
            log.info("%s%s", "  ".join([_place(number, networks, epoch, epochs), *figures(epoch)]), left)
            if epoch.last:
                log.info("%s", outcome(epoch, epochs))

        yield write
        return
    from rich.console import Group
    from rich.live import Live
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.text import Text

    out = console(sys.stderr)
    progress = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=out)
    task = progress.add_task("training", total=epochs * networks)
    with Live(progress, console=out, auto_refresh=False) as live:

        def advance(number: int, epoch: "Epoch") -> None:
            done = _done(number, epoch, epochs)
            place = f"{_place(number, networks, epoch, epochs)}{clock.left(done)}"
            progress.update(task, completed=done, description=place)
            live.update(Group(progress, *map(Text, figures(epoch))), refresh=True)
            if epoch.last:
                live.console.print(Text(outcome(epoch, epochs)))

        yield advance


def figures(epoch: "Epoch") -> list[str]:
    """Those of the training, then those of the validation with the best epoch, if there is one."""
    accuracy = "" if epoch.accuracy is None else f"training accuracy {epoch.accuracy:.3f}, "
    lines = [f"{accuracy}loss {epoch.loss:.3f}"]
    if (check := epoch.validation) is not None:
        best = "best so far" if epoch.is_best else f"best: epoch {epoch.best}"
        lines.append(f"validation accuracy {check.accuracy:.3f}, loss {check.loss:.3f} ({best})")
    return lines


def outcome(epoch: "Epoch", epochs: int) -> str:
    """How a fit has ended: early or not, and with the weights of which epoch."""
    if epoch.validation is None:
        return f"trained for {epoch.number} epochs"
    kept = f"the weights of epoch {epoch.best} are kept"
    if epoch.number == epochs:
        return f"trained for {epochs} epochs; {kept}"
    rest = epoch.number - epoch.best
    return (
        f"stopped early after epoch {epoch.number} of {epochs}, as the validation loss has not fallen for"
        f" {rest} epoch{'s' * (rest != 1)}; {kept}"
    )


class _Clock:
    """The time left, from the epochs of this run after its first, which also loads libraries."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._start: float | None = None
        self._measured = 0

    def left(self, done: int) -> str:
        """In words, when one more epoch has run and `done` of all are behind; an early stop makes it less."""
        now = time.monotonic()
        if self._start is None:
            self._start = now
            return ""
        self._measured += 1
        if done >= self._total:
            return ""
        seconds = (now - self._start) / self._measured * (self._total - done)
        minutes, seconds = divmod(round(seconds), 60)
        return f"  at most {minutes}:{seconds:02d} min left"


def _done(number: int, epoch: "Epoch", epochs: int) -> int:
    """How many epochs of all networks are behind; a network that has stopped early needs no more."""
    return number * epochs + (epochs if epoch.last else epoch.number)


def _place(number: int, networks: int, epoch: "Epoch", epochs: int) -> str:
    network = f"network {number + 1}/{networks}  " if networks > 1 else ""
    return f"{network}epoch {epoch.number:2}/{epochs}"
