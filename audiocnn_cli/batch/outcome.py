"""What became of one input."""

from dataclasses import dataclass

from audiocnn_cli.errors import ExitCode, FailureKind


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that gave no result: its path as the user named it, and why in one sentence."""

    path: str
    kind: FailureKind
    message: str


@dataclass(frozen=True, slots=True)
class Tally:
    """How many inputs gave a result, and how many did not."""

    done: int
    failed: int

    @property
    def exit_code(self) -> ExitCode:
        """What the process says of the whole batch."""
        if not self.failed:
            return ExitCode.DONE
        return ExitCode.SOME_FAILED if self.done else ExitCode.NOTHING_DONE
