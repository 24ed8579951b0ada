"""What a batch has done so far, so that another run can go on with it."""

import hashlib
import json
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from audiocnn_cli.audio.sources import STDIN, Source
from audiocnn_cli.batch.fingerprint import Fingerprint, fingerprint, place
from audiocnn_cli.batch.journal.schema import (
    BEGUN,
    DONE,
    FAILED,
    FORMAT,
    TABLES,
    Codec,
    failure_in,
    meta,
    open_database,
    result_in,
    saying,
)
from audiocnn_cli.batch.outcome import Failure, Finished
from audiocnn_cli.errors import FailureKind, OutputError

R = TypeVar("R")


class Journal(Generic[R]):
    """The journal at `path`, for one run; nobody else can have it at the same time."""

    def __init__(
        self,
        path: Path,
        codec: Codec[R],
        *,
        configuration: Mapping[str, Any],
        shard: str = "1/1",
        resume: bool = False,
        by_content: bool = False,
        output_of: Callable[[Source], Path] | None = None,
        force: bool = False,
    ) -> None:
        """Open it, or make it.

        Args:
            path: the file.
            codec: how results lie in it.
            configuration: everything that decides what a result is, as values that JSON knows.
            shard: the part of the inputs that this run is about, "I/N".
            resume: take what is done and unchanged from the journal.
            by_content: an input is unchanged when its bytes are, whatever its time.
            output_of: the file that an input's results are written to.
            force: replace outputs that are not of this journal.

        Raises:
            OutputError: it is of another run that still goes on, or can't be written.
            UsageError: it is no journal.
        """
        self.path = path
        self.changed: dict[str, tuple[Any, Any]] = {}
        # Where results have no files of their own: whether that of a path is still there.
        self.holds: Callable[[str], bool] | None = None
        # Whether inputs were done again by other paths than before.
        self.gave_up = False
        self._codec = codec
        self._resume = resume
        self._by_content = by_content
        self._output_of = output_of
        self._force = force
        self.digest = _digest(configuration)
        self._database = open_database(path)
        with saying(path):
            self._begin_run(configuration, shard)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def begin(self, source: Source) -> Finished[R] | None:
        """What is known of `source` already; None: it is to be worked on, and that is noted.

        Raises:
            OutputError: its output exists and is not of this journal.
        """
        with saying(self.path):
            mark = fingerprint(source.path, by_content=self._by_content)
            rows = self._rows(source.path)
            output = self._output_of(source) if self._output_of else None
            again = self._resume and source.path != STDIN
            for row in rows if again else ():
                if self._stands(row, mark, output):
                    # The same content may have another time by now.
                    known_as = os.fsdecode(row["path"])
                    self._update(known_as, run=self._run, size=mark.size, mtime_ns=mark.mtime_ns)
                    outcome = failure_in(row) or result_in(row, self._codec)
                    return Finished(source, outcome, row["seconds"], recalled=True)
            clash = self._claim(source, output, rows) if output else None
            if clash is not None:
                return Finished(source, clash, 0.0)
            self._give_up(row for row in rows if os.fsdecode(row["path"]) != source.path)
            self._replace(source.path, mark, state=BEGUN, output=output)
            return None

    def finish(self, source: Source, outcome: R | Failure, *, seconds: float) -> R | Failure:
        """Note what came of `source`, which has begun; gives what is to be passed on."""
        with saying(self.path):
            if isinstance(outcome, Failure):
                kind, message = outcome.kind, outcome.message
                values: dict[str, Any] = {"state": FAILED, "kind": kind, "message": message}
            else:
                output = self._output_of(source) if self._output_of else None
                size = output.stat().st_size if output else None
                result = zlib.compress(json.dumps(self._codec.pack(outcome)).encode(), level=1)
                values = {"state": DONE, "result": result, "output_size": size}
            self._update(source.path, seconds=seconds, **values)
        return outcome

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """What is noted in the block is noted as a whole or not at all, and survives a power loss."""
        with saying(self.path):
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
        """The rows that a query finds, also in tables of others."""
        with saying(self.path):
            return self._database.execute(query, values).fetchall()

    def note(self, failure: Failure) -> None:
        """Note a failure of what was no input: a folder that can't be listed, a pattern without a match."""
        with saying(self.path):
            self._replace(failure.path, Fingerprint(None, None, None), state=FAILED, output=None)
            self._update(failure.path, kind=failure.kind, message=failure.message, seconds=0.0)

    def mark_aborted(self, source: Source) -> None:
        """Note that work on `source` was stopped on its way, and may have left part of a file behind."""
        with saying(self.path):
            self._update(source.path, aborted=True)

    def aborted(self) -> list[Path]:
        """The outputs that may have left a part of themselves behind, in this run or an earlier one."""
        with saying(self.path):
            rows = self._database.execute(
                "SELECT output FROM inputs WHERE output IS NOT NULL AND (aborted OR state = ?)",
                (BEGUN,),
            )
            return [Path(os.fsdecode(row["output"])) for row in rows]

    def complete(self) -> None:
        """Note that the run has come to the end of its inputs."""
        with saying(self.path):
            self._note_run()
            self._put("complete", True)

    def _begin_run(self, configuration: Mapping[str, Any], shard: str) -> None:
        self._database.executescript(TABLES)
        before = self._get("configuration") or {}
        configuration = json.loads(json.dumps(configuration))
        keys = sorted(before.keys() | configuration.keys()) if before else []
        self.changed = {
            key: (before.get(key), configuration.get(key))
            for key in keys
            if before.get(key) != configuration.get(key)
        }
        self._run = (self._get("run") or 0) + 1
        self._about_run = {
            "format": FORMAT,
            "configuration": configuration,
            "digest": self.digest,
            "shard": shard,
            "run": self._run,
            "complete": False,
        }

    def _note_run(self) -> None:
        """Before the first input is noted: a run that is refused leaves what was there as it was."""
        for key, value in self._about_run.items():
            self._put(key, value)
        self._about_run = {}

    def _stands(self, row: sqlite3.Row, mark: Fingerprint, output: Path | None) -> bool:
        """Whether a row is still true: same input, same configuration, and its output is there."""
        if row["state"] == BEGUN or row["configuration"] != self.digest:
            return False
        if not mark.same(Fingerprint(row["size"], row["mtime_ns"], row["content"])):
            return False
        if row["state"] == FAILED:
            return True
        if output is None:
            return self.holds is None or self.holds(os.fsdecode(row["path"]))
        return row["output"] is not None and _size_of(output) == row["output_size"]

    def _claim(self, source: Source, output: Path, rows: list[sqlite3.Row]) -> Failure | None:
        """Take the name of an output; a failure if another input of this run has it."""
        key = os.fsencode(output)
        owner = self._database.execute(
            "SELECT path, run FROM inputs WHERE output = ?", (key,)
        ).fetchone()
        if owner is not None and os.fsdecode(owner["path"]) != source.path:
            if owner["run"] == self._run:
                return Failure(
                    source.path,
                    FailureKind.PERMISSION,
                    f"its file {output} is written for {os.fsdecode(owner['path'])} already; give the"
                    " folder that holds both, or run them apart",
                )
            self._database.execute("DELETE FROM inputs WHERE output = ?", (key,))
        ours = any(
            _is_output(output, row) and (self._resume or row["run"] == self._run) for row in rows
        )
        if not (ours or self._force) and os.path.lexists(output):
            raise OutputError(
                f"{output}: exists already; add --resume to go on with an earlier run, or --force"
            )
        return None

    def _rows(self, path: str) -> list[sqlite3.Row]:
        """What is known of an input, by this path and by others to the same place."""
        return self._database.execute(
            "SELECT * FROM inputs WHERE path = ? OR place = ?", (os.fsencode(path), place(path))
        ).fetchall()

    def _give_up(self, rows: Iterable[sqlite3.Row]) -> None:
        """Forget an input that is done again by another path; a data set takes out its rows."""
        for row in rows:
            self.gave_up = True
            self._database.execute("DELETE FROM inputs WHERE path = ?", (row["path"],))

    def _replace(self, path: str, mark: Fingerprint, *, state: str, output: Path | None) -> None:
        self._note_run()
        self._database.execute(
            "INSERT OR REPLACE INTO inputs"
            " (path, place, run, configuration, size, mtime_ns, content, state, output)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                os.fsencode(path),
                place(path),
                self._run,
                self.digest,
                mark.size,
                mark.mtime_ns,
                mark.content,
                state,
                output and os.fsencode(output),
            ),
        )

    def _update(self, path: str, **values: Any) -> None:
        self._note_run()
        columns = ", ".join(f"{name} = :{name}" for name in values)
        self._database.execute(
            f"UPDATE inputs SET {columns} WHERE path = :path",  # noqa: S608 (our own names)
            {"path": os.fsencode(path), **values},
        )

    def _get(self, key: str) -> Any:
        return meta(self._database, key)

    def _put(self, key: str, value: Any) -> None:
        self._database.execute(
            "INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value, sort_keys=True))
        )


def _digest(configuration: Mapping[str, Any]) -> str:
    text = json.dumps(configuration, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _is_output(output: Path, row: sqlite3.Row) -> bool:
    """Whether the file is the one that a row is about, perhaps as it was called from another folder."""
    if row["output"] is None:
        return False
    same_name = Path(os.fsdecode(row["output"])).name == output.name
    return row["output"] == os.fsencode(output) or (
        same_name and _size_of(output) == row["output_size"]
    )


def _size_of(output: Path) -> int | None:
    try:
        return output.stat().st_size
    except OSError:
        return None
