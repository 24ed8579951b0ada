"""The outcome of one input, and of a batch."""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.errors import ExitCode, FailureKind
from audiocnn_cli.parameters import with_flags

R = TypeVar("R")


@dataclass(frozen=True)
class Failure:
    """An input without a result: its path as the user named it, and the cause in one sentence."""

    path: str
    kind: FailureKind
    message: str


def failure_document(failure: Failure) -> dict[str, str]:
    """A failure as CONTRACT.md has it."""
    return {"path": failure.path, "kind": failure.kind, "message": with_flags(failure.message)}


@dataclass(frozen=True, slots=True)
class Counts:
    """The number of inputs with a result, and without."""

    done: int
    failed: int

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of the batch."""
        if not self.failed:
            return ExitCode.DONE
        return ExitCode.SOME_FAILED if self.done else ExitCode.NOTHING_DONE


@dataclass(frozen=True, slots=True)
class Finished(Generic[R]):
    """The event that an input has a result or has failed.

    `seconds` is the time of the work on it; `recalled` states that an earlier run did the work.
    """

    source: Source
    outcome: R | Failure
    seconds: float
    recalled: bool = False


class Observer(Protocol[R]):
    """Is notified of each input as soon as it has a result or has failed."""

    def finished(self, event: Finished[R]) -> None:
        """Handle the event of one input."""

    def close(self, *, interrupted: bool) -> object:
        """Handle the end of the batch; `interrupted` states that inputs were left."""
