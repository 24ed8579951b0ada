"""The failures of a batch, a line of JSON each: written while it runs, and read again as inputs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.outcome import Failure, Finished, failure_document
from audiocnn_cli.errors import OutputError, UsageError
from audiocnn_cli.files import check_writable


@dataclass(frozen=True, slots=True)
class FailureLog:
    """Hears of each input and writes down those that failed, at once."""

    stream: IO[str]

    def finished(self, event: Finished[Any]) -> None:
        """Write a line, if it failed."""
        if isinstance(event.outcome, Failure):
            line = {**failure_document(event.outcome), "name": event.source.name}
            self.stream.write(json.dumps(line) + "\n")
            self.stream.flush()


@contextmanager
def open_failure_log(path: Path, *, force: bool) -> Iterator[FailureLog]:
    """The ledger at `path`, empty at first; it is there while the batch runs, for others to follow.

    Raises:
        OutputError: it can't be written, or exists and not `force`.
    """
    check_writable(path, force=force)
    try:
        with path.open("w", encoding="utf-8") as stream:
            yield FailureLog(stream)
    except OSError as error:
        raise OutputError(f"{path}: can't be written ({error.strerror or error})") from error


def failed_inputs(path: Path) -> list[Source]:
    """The inputs that a ledger says have failed.

    Raises:
        UsageError: it can't be read, or a line is of no failure.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"--retry-failures {path}: can't be read ({reason})") from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"--retry-failures {path}: is no text that --failures has written"
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
            f"--retry-failures {where}: is no line of a ledger that --failures has written"
        ) from error
    return Source(path, name)
