"""What became of one input, and of a batch."""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.errors import ExitCode, FailureKind
from audiocnn_cli.parameters import with_flags

R = TypeVar("R")


@dataclass(frozen=True)
class Failure:
    """An input that gave no result: its path as the user named it, and why in one sentence."""

    path: str
    kind: FailureKind
    message: str


def failure_document(failure: Failure) -> dict[str, str]:
    """A failure as CONTRACT.md has it."""
    return {"path": failure.path, "kind": failure.kind, "message": with_flags(failure.message)}


@dataclass(frozen=True, slots=True)
class Counts:
    """How many inputs gave a result, and how many did not."""

    done: int
    failed: int

    @property
    def exit_code(self) -> ExitCode:
        """What the process says of the whole batch."""
        if not self.failed:
            return ExitCode.DONE
        return ExitCode.SOME_FAILED if self.done else ExitCode.NOTHING_DONE


@dataclass(frozen=True, slots=True)
class Finished(Generic[R]):
    """An input that is done or has failed: how long the work took, and whether an earlier run did it."""

    source: Source
    outcome: R | Failure
    seconds: float
    recalled: bool = False


class Observer(Protocol[R]):
    """Who hears of each input as soon as it is done or has failed."""

    def finished(self, event: Finished[R]) -> None:
        """An input is done or has failed."""
