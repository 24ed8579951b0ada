"""The progress of a batch: a changing line on a terminal, a line every 30 s in a log, or JSON events."""

import heapq
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from audiocnn_cli.batch.outcome import Failure, Finished
from audiocnn_cli.errors import FailureKind
from audiocnn_cli.output.terminal.console import display, emit_event, log, logs_json, show_status
from audiocnn_cli.parameters import with_flags

if TYPE_CHECKING:  # with SQLite, which a run without a journal does not import
    from audiocnn_cli.batch.parts import Part

R = TypeVar("R")

_LINE_EVERY_S = 0.1
_LOG_EVERY_S = 30.0
_SLOWEST = 3
# The inputs are counted a few at each update: listing all of them may take long.
_COUNT_SHARE = 0.1
_COUNT_AT_ONCE = 100
# Fewer inputs need no summary: all of their results are in sight.
_SUMMARY_FROM = 10


@dataclass(slots=True)
class Summary:
    """The counts of a batch: inputs by outcome, and the time they took.

    An earlier run did `recalled` of them; `audio_s` (seconds of audio) and `slowest` are of the others.
    """

    done: int = 0
    failures: Counter[FailureKind] = field(default_factory=Counter)
    recalled: int = 0
    seconds: float = 0.0
    audio_s: float = 0.0
    slowest: list[tuple[float, str]] = field(default_factory=list)
    interrupted: bool = False

    @property
    def failed(self) -> int:
        """Inputs without a result."""
        return self.failures.total()

    @property
    def worked(self) -> int:
        """Inputs of this run."""
        return self.done + self.failed - self.recalled

    @property
    def files_per_s(self) -> float:
        """Inputs of this run per second."""
        return self.worked / max(self.seconds, 1e-9)

    @property
    def times_real_time(self) -> float:
        """Seconds of audio per second."""
        return self.audio_s / max(self.seconds, 1e-9)

    def document(self) -> dict[str, Any]:
        """The summary as a JSON event."""
        return {
            "event": "summary",
            "done": self.done,
            "failed": self.failed,
            "failures": {str(kind): n for kind, n in self.failures.most_common()},
            "recalled": self.recalled,
            "seconds": round(self.seconds, 3),
            "audio_s": round(self.audio_s, 3),
            "files_per_s": round(self.files_per_s, 3),
            "times_real_time": round(self.times_real_time, 1),
            "slowest": [{"path": path, "seconds": round(s, 3)} for s, path in self.slowest],
            "interrupted": self.interrupted,
        }

    def counts(self) -> str:
        """The inputs by outcome as text."""
        if not self.failures:
            return f"{self.done:,} done"
        kinds = ", ".join(f"{n:,} {kind}" for kind, n in self.failures.most_common())
        return f"{self.done:,} done, {self.failed:,} failed ({kinds})"

    def lines(self) -> Iterator[str]:
        """The summary as lines of text."""
        earlier = f" ({self.recalled:,} by an earlier run)" if self.recalled else ""
        yield (
            f"{self.counts()}{earlier} in {duration(self.seconds)}:"
            f" {self.files_per_s:,.1f} files/s, {duration(self.audio_s)} of audio,"
            f" {self.times_real_time:,.0f} times real time"
        )
        if self.slowest:
            files = ", ".join(f"{display(path)} {seconds:.1f} s" for seconds, path in self.slowest)
            yield f"slowest: {files}"


class Progress(Generic[R]):
    """An observer that reports the progress of a batch at intervals, and a summary at the end."""

    def __init__(
        self,
        audio_s: Callable[[R], float],
        *,
        inputs: Iterable[object] = (),
        on_terminal: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the clock.

        Args:
            audio_s: returns the seconds of audio of a result.
            inputs: the inputs a second time, to be counted.
            on_terminal: whether stderr shows a changing line.
            clock: returns the time in seconds.
        """
        self._audio_of = audio_s
        self._inputs = iter(inputs)
        self._counting = True
        self._total = 0
        self._on_terminal = on_terminal
        self._clock = clock
        self._start = clock()
        self._next = self._start + (_LINE_EVERY_S if on_terminal else _LOG_EVERY_S)
        self._summary = Summary()

    def finished(self, event: Finished[R]) -> None:
        """Count an input."""
        summary, audio_s = self._summary, 0.0
        summary.recalled += event.recalled
        if isinstance(event.outcome, Failure):
            summary.failures[event.outcome.kind] += 1
        else:
            summary.done += 1
            audio_s = self._audio_of(event.outcome)
        if not event.recalled:
            summary.audio_s += audio_s
            push = heapq.heappush if len(summary.slowest) < _SLOWEST else heapq.heappushpop
            push(summary.slowest, (event.seconds, event.source.path))
        if logs_json():
            emit_event(_event(event, audio_s))
        self._report()

    def close(self, *, interrupted: bool = False) -> Summary:
        """Clear the line, and report the summary."""
        if self._on_terminal:
            show_status("")
        summary = self._summary
        summary.seconds = self._clock() - self._start
        summary.slowest.sort(reverse=True)
        summary.interrupted = interrupted
        if logs_json():
            emit_event(summary.document())
        elif summary.done + summary.failed >= _SUMMARY_FROM:
            for line in summary.lines():
                log.info(line)
        return summary

    def _report(self) -> None:
        now = self._clock()
        if now < self._next or logs_json():
            return
        every = _LINE_EVERY_S if self._on_terminal else _LOG_EVERY_S
        self._next = now + every
        self._count(until=now + every * _COUNT_SHARE)
        show = show_status if self._on_terminal else log.info
        self._summary.seconds = now - self._start
        show(self._line())

    def _count(self, *, until: float) -> None:
        while self._counting and self._clock() < until:
            counted = sum(1 for _ in islice(self._inputs, _COUNT_AT_ONCE))
            self._total += counted
            self._counting = counted == _COUNT_AT_ONCE

    def _line(self) -> str:
        summary = self._summary
        parts = [
            summary.counts(),
            f"{duration(summary.audio_s)} of audio",
            f"{summary.times_real_time:,.0f} times real time",
        ]
        left = self._total - summary.done - summary.failed
        if not self._counting and left >= 0 and summary.worked:
            to_go = duration(left * summary.seconds / summary.worked)
            parts += [f"{left:,} left", f"{to_go} to go"]
        return ", ".join(parts)


def counted(
    blocks: Iterable[R],
    size: Callable[[R], int],
    what: str,
    *,
    on_terminal: bool,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[R]:
    """The blocks as they pass; on a terminal a changing line has the sum of their sizes, and `what`."""
    total, next_s = 0, clock() + _LINE_EVERY_S
    try:
        for block in blocks:
            yield block
            total += size(block)
            if on_terminal and clock() >= next_s:
                show_status(f"{total:,} {what}")
                next_s = clock() + _LINE_EVERY_S
    finally:
        if on_terminal:
            show_status("")


def on_terminal(*, streams_results: bool) -> bool:
    """Whether a changing line can be shown: stderr is a terminal, and results are not streamed to it."""
    return sys.stderr.isatty() and not (streams_results and sys.stdout.isatty())


def duration(seconds: float) -> str:
    """Seconds as text: minutes from 60 s on, hours from 100 minutes on."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:,.1f} h"


def parts_table(parts: "Sequence[Part]") -> Any:
    """The progress of each part of a batch, as a Rich table."""
    from rich.text import Text

    from audiocnn_cli.output.terminal.layout import table_of_rows

    rows = []
    for part in parts:
        counts = (f"{n:,}" for n in (part.done, part.failed, part.unfinished))
        journal = Text(display(str(part.journal)), "dim", overflow="fold")
        rows.append((str(part.shard), *counts, "complete" if part.whole else "partial", journal))
    names = ("part", "done", "failed", "unfinished", "state", "journal")
    return table_of_rows(names, rows, left={"part", "state", "journal"}, wrap={"journal"})


def _event(event: Finished[Any], audio_s: float) -> dict[str, Any]:
    common = {"path": event.source.path, "seconds": round(event.seconds, 6), "recalled": event.recalled}
    if isinstance(event.outcome, Failure):
        failure = {"kind": event.outcome.kind, "message": with_flags(event.outcome.message)}
        return {"event": "failed", **common, **failure}
    return {"event": "done", **common, "audio_s": audio_s}
