"""The outcomes of inputs and of a batch, and the log of failures.

The log has a line of JSON for each input that failed, and can be read back as inputs.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.errors import ExitCode, FailureKind, OutputError, UsageError
from audiocnn_cli.files import check_writable
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


class FailureLog:
    """An observer that writes each failure at once; the file is there while the batch runs."""

    def __init__(self, path: Path, *, force: bool) -> None:
        """Open the log, empty at first.

        Raises:
            OutputError: it can't be written, or exists and not `force`.
        """
        check_writable(path, force=force)
        self._path = path
        with _as_output_error(path):
            self._stream = path.open("w", encoding="utf-8")

    def finished(self, event: Finished[Any]) -> None:
        """Write a line if the input has failed.

        Raises:
            OutputError: it can't be written.
        """
        if isinstance(event.outcome, Failure):
            line = {**failure_document(event.outcome), "name": event.source.name}
            with _as_output_error(self._path):
                self._stream.write(json.dumps(line) + "\n")
                self._stream.flush()

    def close(self, *, interrupted: bool) -> None:  # noqa: ARG002 (of the protocol)
        """Close the file."""
        self._stream.close()


@contextmanager
def _as_output_error(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path}: can't be written ({error.strerror or error})") from error


def failed_inputs(path: Path) -> list[Source]:
    """The inputs that failed according to the log at `path`.

    Raises:
        UsageError: it can't be read, or a line is not of a failure log.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"`retry_failures` {path}: can't be read ({reason})") from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"`retry_failures` {path}: is not a text file that `failures` has written"
        ) from error
    return [_source(line, f"{path}, line {number}") for number, line in enumerate(lines, 1)]


def _source(line: str, where: str) -> Source:
    try:
        entry = json.loads(line)
        path, name = entry["path"], entry.get("name", "")
        if not (isinstance(path, str) and isinstance(name, str)):
            raise TypeError
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(
            f"`retry_failures` {where}: is not a line of a failure log that `failures` has written"
        ) from error
    return Source(path, name)
