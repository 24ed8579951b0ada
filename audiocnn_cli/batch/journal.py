"""The journal of a batch: the state of each input, from which a later run resumes."""

import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from audiocnn_cli.audio.sources import STDIN, Source
from audiocnn_cli.batch.inputs import Fingerprint, Shard, absolute, fingerprint
from audiocnn_cli.batch.outcome import Failure, Finished
from audiocnn_cli.batch.schema import State, meta, open_database, outcome_in, pack_result, sqlite_errors
from audiocnn_cli.batch.task import Codec
from audiocnn_cli.errors import FailureKind, OutputError

R = TypeVar("R")


class Journal(Generic[R]):
    """The journal at `path` during one run; no other run can open it at the same time."""

    def __init__(
        self,
        path: Path,
        codec: Codec[R],
        *,
        configuration: Mapping[str, Any],
        shard: Shard = Shard(),  # noqa: B008 (frozen)
        resume: bool = False,
        by_content: bool = False,
        output_of: Callable[[Source], Path] | None = None,
        resumable: bool = True,
        force: bool = False,
    ) -> None:
        """Open the journal, or create it.

        Args:
            path: the file.
            codec: converts results to values of JSON and back.
            configuration: everything that decides what a result is, as values of JSON.
            shard: the part of the inputs that this run covers.
            resume: recall what is done and unchanged, instead of doing it again.
            by_content: an input is unchanged when its content is, whatever its time.
            output_of: the file that an input's results are written to.
            resumable: whether a later run can go on; for messages.
            force: replace outputs that are not of this journal.

        Raises:
            OutputError: another run has it open, or it can't be written.
            UsageError: it is not a journal, or one of another version.
        """
        self.path = path
        text = json.dumps(configuration, sort_keys=True)
        self.digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        # Whether this run removed inputs that it does again by another path.
        self.removed_paths = False
        self._codec = codec
        self._resume = resume
        self._by_content = by_content
        self._output_of = output_of
        self._resumable = resumable
        self._force = force
        self._database = open_database(path)
        try:
            with sqlite_errors(path):
                earlier = meta(self._database, "configuration") or {}
                self._run = (meta(self._database, "run") or 0) + 1
        except BaseException:
            self._database.close()
            raise
        configuration = json.loads(text)
        self.changed: dict[str, tuple[Any, Any]] = {
            key: (earlier.get(key), configuration.get(key))
            for key in sorted(earlier.keys() | configuration.keys())
            if earlier and earlier.get(key) != configuration.get(key)
        }
        # Written with the first input: a run that is refused changes nothing.
        self._unwritten = {
            "configuration": configuration,
            "digest": self.digest,
            "shard": str(shard),
            "run": self._run,
            "complete": False,
        }

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def begin(self, source: Source) -> Finished[R] | None:
        """The recalled outcome of `source`, or None: then it is marked as begun and must be worked on.

        Raises:
            OutputError: its output exists and is not of this journal.
        """
        with sqlite_errors(self.path):
            current = fingerprint(source.path, by_content=self._by_content)
            rows = self._rows(source.path)
            output = self._output_of(source) if self._output_of else None
            for row in rows if self._resume and source.path != STDIN else ():
                if self._is_current(row, current, output):
                    # With the same content the time may differ.
                    self._update(
                        os.fsdecode(row["path"]), run=self._run, size=current.size, mtime_ns=current.mtime_ns
                    )
                    outcome = outcome_in(row, self._codec)
                    return Finished(source, outcome, row["seconds"], recalled=True)
            clash = self._reserve(source, output, rows) if output else None
            if clash is not None:
                return Finished(source, clash, 0.0)
            for row in rows:
                if os.fsdecode(row["path"]) != source.path:
                    self.removed_paths = True
                    self._database.execute("DELETE FROM inputs WHERE path = ?", (row["path"],))
            self._replace(source.path, current, state=State.BEGUN, output=output and os.fsencode(output))
            return None

    def finish(self, source: Source, outcome: R | Failure, *, seconds: float) -> R | Failure:
        """Record the outcome of `source`, which has begun, and return it."""
        with sqlite_errors(self.path):
            if isinstance(outcome, Failure):
                kind, message = outcome.kind, outcome.message
                values: dict[str, Any] = {"state": State.FAILED, "kind": kind, "message": message}
            else:
                output = self._output_of(source) if self._output_of else None
                size = output.stat().st_size if output else None
                result = pack_result(outcome, self._codec)
                # Without its result an input is not done: the next run would have nothing to recall.
                state = State.BEGUN if result is None else State.DONE
                values = {"state": state, "result": result, "output_size": size}
            self._update(source.path, seconds=seconds, **values)
        return outcome

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Changes in the block are made together or not at all, and survive a power loss."""
        with sqlite_errors(self.path):
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")
            self._database.execute("PRAGMA synchronous = NORMAL")

    def rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        """The rows that a query selects."""
        with sqlite_errors(self.path):
            return self._database.execute(query, values).fetchall()

    def add_failure(self, failure: Failure) -> None:
        """Record a failure without an input: a folder that can't be listed, a pattern without a match."""
        with sqlite_errors(self.path):
            values = {"kind": failure.kind, "message": failure.message, "seconds": 0.0}
            self._replace(failure.path, Fingerprint(), state=State.FAILED, **values)

    def mark_aborted(self, source: Source) -> None:
        """Record that work on `source` was stopped, and may have left a part of a file behind."""
        with sqlite_errors(self.path):
            self._update(source.path, aborted=True)

    def aborted_outputs(self) -> list[Path]:
        """The outputs of which this run or an earlier one may have left a part behind."""
        query = "SELECT output FROM inputs WHERE typeof(output) = 'blob' AND (aborted OR state = ?)"
        return [Path(os.fsdecode(row["output"])) for row in self.rows(query, State.BEGUN)]

    def end(self, *, complete: bool) -> None:
        """End the run; `complete` states that it has come to the end of its inputs."""
        if complete:
            with sqlite_errors(self.path):
                self._write_meta(complete=True)

    def has_rows(self, path: str) -> bool:  # noqa: ARG002 (of data sets)
        """Whether the rows of an input, where results have no files of their own, still exist."""
        return True

    def _is_current(self, row: sqlite3.Row, current: Fingerprint, output: Path | None) -> bool:
        """Whether a row is still valid: same input, same configuration, and its output exists."""
        if row["state"] == State.BEGUN or row["configuration"] != self.digest:
            return False
        if not current.same(Fingerprint(row["size"], row["mtime_ns"], row["content"])):
            return False
        if row["state"] == State.FAILED:
            return True
        if output is None:
            return self.has_rows(os.fsdecode(row["path"]))
        return row["output"] is not None and _size_of(output) == row["output_size"]

    def _reserve(self, source: Source, output: Path, rows: list[sqlite3.Row]) -> Failure | None:
        """Reserve the name of an output; a failure if another input of this run has it."""
        key = os.fsencode(output)
        owner = self._database.execute("SELECT path, run FROM inputs WHERE output = ?", (key,)).fetchone()
        if owner is not None and os.fsdecode(owner["path"]) != source.path:
            if owner["run"] == self._run:
                return Failure(
                    source.path,
                    FailureKind.PERMISSION,
                    f"its file {output} is written for {os.fsdecode(owner['path'])} already; give the"
                    " folder that holds both, or run them apart",
                )
            self._database.execute("DELETE FROM inputs WHERE output = ?", (key,))
        ours = any(_is_output(output, row) and (self._resume or row["run"] == self._run) for row in rows)
        if not (ours or self._force) and os.path.lexists(output):
            advice = "add `resume=True` to go on with an earlier run, or `force=True`"
            if not self._resumable:
                advice = (
                    "add `force=True`; to go on with `resume=True`, leave out the table or the file with the"
                    " numbers of all recordings, which can't be resumed"
                )
            raise OutputError(f"{output}: exists already; {advice}")
        return None

    def _rows(self, path: str) -> list[sqlite3.Row]:
        """The rows of an input, by this path and by others with the same absolute path."""
        keys = (os.fsencode(path), os.fsencode(absolute(path)))
        return self._database.execute("SELECT * FROM inputs WHERE path = ? OR path_key = ?", keys).fetchall()

    def _replace(self, path: str, current: Fingerprint, **values: Any) -> None:
        self._write_meta()
        keys = {"path": os.fsencode(path), "path_key": os.fsencode(absolute(path))}
        row = keys | {"run": self._run, "configuration": self.digest} | current._asdict() | values
        self._database.execute(
            f"INSERT OR REPLACE INTO inputs ({', '.join(row)}) VALUES (:{', :'.join(row)})",  # noqa: S608 (our own names)
            row,
        )

    def _update(self, path: str, **values: Any) -> None:
        self._write_meta()
        columns = ", ".join(f"{name} = :{name}" for name in values)
        self._database.execute(
            f"UPDATE inputs SET {columns} WHERE path = :path",  # noqa: S608 (our own names)
            {"path": os.fsencode(path), **values},
        )

    def _write_meta(self, **more: Any) -> None:
        values = [(key, json.dumps(value, sort_keys=True)) for key, value in (self._unwritten | more).items()]
        self._database.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values)
        self._unwritten = {}


def _is_output(output: Path, row: sqlite3.Row) -> bool:
    """Whether a row is of this file, perhaps under the name that it has in another working directory."""
    if row["output"] is None:
        return False
    same_name = Path(os.fsdecode(row["output"])).name == output.name
    return row["output"] == os.fsencode(output) or (same_name and _size_of(output) == row["output_size"])


def _size_of(output: Path) -> int | None:
    try:
        return output.stat().st_size
    except OSError:
        return None
