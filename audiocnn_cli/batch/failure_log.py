"""The failure log of a batch: a line of JSON for each input that failed, and its lines as inputs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.outcome import Failure, Finished, failure_document
from audiocnn_cli.errors import OutputError, UsageError
from audiocnn_cli.files import check_writable


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
