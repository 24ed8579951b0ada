"""A data set is written in parts: each is there whole or not at all, and the journal knows whose rows it has.

A part is written under a name that no reader takes for a part and then noted in the journal, together with
the inputs whose rows it has, in one transaction; only then it takes its name. A run that is killed in between
is mended by the next one from what the journal says: nothing is lost, and nothing is there twice.
"""

import os
import re
import secrets
import sqlite3
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO, Any, Generic, Self, TypeVar

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.journal.journal import Journal
from audiocnn_cli.batch.journal.schema import DONE
from audiocnn_cli.batch.journal.shard import Shard
from audiocnn_cli.batch.outcome import Failure, Finished
from audiocnn_cli.datasets.dataset import Dataset, as_text
from audiocnn_cli.datasets.storage import Store, open_store
from audiocnn_cli.errors import OutputError

R = TypeVar("R")

_TABLES = """
CREATE TABLE IF NOT EXISTS parts (name TEXT PRIMARY KEY, token TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS members (path BLOB PRIMARY KEY, part TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS members_of_part ON members (part);
"""
# A part also ends when so much waits for it in memory, or for so long: readers want to see it.
_PART_BYTES = 64 * 2**20
_PART_SECONDS = 30.0


@dataclass(slots=True)
class _Open(Generic[R]):
    """The part that is being filled."""

    entries: list[tuple[Source, R, float]] = field(default_factory=list)
    weight: int = 0
    since: float = 0.0

    def full(self, part_files: int) -> bool:
        return bool(self.entries) and (
            len(self.entries) >= part_files
            or self.weight >= _PART_BYTES
            or time.monotonic() - self.since >= _PART_SECONDS
        )


class DatasetJournal(Generic[R]):
    """A journal whose inputs are done when their rows are in a part."""

    def __init__(
        self, journal: Journal[R], dataset: Dataset[R], *, shard: Shard, resume: bool, force: bool
    ) -> None:
        """Mend what an earlier run has left, or begin anew.

        Raises:
            OutputError: there are parts that are not of this journal, or the folder can't be written.
            MissingExtraError: what reaches the folder is not installed.
        """
        self._journal = journal
        self._dataset = dataset
        self._shard = shard
        self._store: Store = open_store(dataset.location)
        self._open = _Open[R]()
        with journal.transaction() as database:
            for statement in _TABLES.split(";"):
                database.execute(statement)
        found = list(self._store.names())
        ours = {name for name in found if _own(name, shard)}
        journal.holds = self._holds
        if not resume:
            with journal.transaction() as database:
                database.execute("DELETE FROM members")
                database.execute("DELETE FROM parts")
        known = self._known()
        if ours and resume and not known and not force:
            raise OutputError(
                f"{dataset.location}: holds parts that the journal {journal.path} does not know; add --force"
                " to replace them, or give another folder"
            )
        self._mend(found, ours, known)
        self._some_outdated = bool(self._outdated_rows())
        numbers = (int(name.rpartition("-")[2].removesuffix(".parquet")) for name in self._known())
        self._number = max(numbers, default=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._write_part()

    def begin(self, source: Source) -> Finished[R] | None:
        """What is known of `source` already; None: it is to be worked on."""
        known = self._journal.begin(source)
        if known is None and (self._journal.gave_up or self._holds(source.path)):
            self._some_outdated = True
        return known

    def finish(self, source: Source, outcome: R | Failure, *, seconds: float) -> R | Failure:
        """Keep the rows of `source` for a part; a failure is noted at once."""
        if isinstance(outcome, Failure):
            return self._journal.finish(source, outcome, seconds=seconds)
        if not self._open.entries:
            self._open.since = time.monotonic()
        self._open.entries.append((source, outcome, seconds))
        self._open.weight += self._dataset.tabular.weight(outcome)
        if self._open.full(self._dataset.part_files):
            self._write_part()
        return self._dataset.tabular.without_rows(outcome)

    def note(self, failure: Failure) -> None:
        """Note a failure of what was no input."""
        self._journal.note(failure)

    def mark_aborted(self, source: Source) -> None:
        """Note that work on `source` was stopped on its way."""
        self._journal.mark_aborted(source)

    def complete(self) -> None:
        """Write the last part, and note that the run has come to the end of its inputs."""
        self._write_part()
        self._journal.complete()

    def _known(self) -> dict[str, str]:
        return {row["name"]: row["token"] for row in self._journal.rows("SELECT * FROM parts")}

    def _holds(self, path: str) -> bool:
        found = self._journal.rows("SELECT 1 FROM members WHERE path = ?", os.fsencode(path))
        return bool(found)

    def _outdated_rows(self) -> list[sqlite3.Row]:
        """The inputs that are done again, have failed now, or have another path, with rows in a part."""
        return self._journal.rows(
            "SELECT path, part FROM members LEFT JOIN inputs USING (path) WHERE state IS NOT ?",
            DONE,
        )

    def _mend(self, found: list[str], ours: set[str], known: dict[str, str]) -> None:
        """Give parts their names that the journal knows, and remove what it does not."""
        staged = {_staged(name, token): name for name, token in known.items()}
        for name in found:
            if name in staged:
                self._store.rename(name, staged[name])
                ours.add(staged[name])
            elif _own(_unstaged(name), self._shard):
                self._store.remove(name)
        for name in ours - known.keys():
            self._store.remove(name)
        with self._journal.transaction() as database:
            other = database.execute(
                "SELECT DISTINCT part FROM members JOIN inputs USING (path) WHERE configuration != ?",
                (self._journal.digest,),
            )
            outdated = {row["part"] for row in other}
            for name in outdated | (known.keys() - ours):
                database.execute("DELETE FROM members WHERE part = ?", (name,))
                database.execute("DELETE FROM parts WHERE name = ?", (name,))
        for name in outdated:
            self._store.remove(name)

    def _write_part(self) -> None:
        entries = list({entry[0].path: entry for entry in self._open.entries}.values())
        self._open = _Open[R]()
        if not (entries or self._some_outdated):
            return
        files: dict[tuple[str, tuple[str, ...]], list[tuple[Source, R]]] = defaultdict(list)
        for source, result, _ in entries:
            files[self._dataset.file_of(source, result, "{}")].append((source, result))
        staged: dict[str, str] = {}  # name: token
        members: dict[str, str] = {}
        try:
            for (pattern, _), rows in files.items():
                self._number += 1
                name = pattern.replace("{}", f"{_prefix(self._shard)}{self._number:05}")
                self._stage(name, self._dataset.table([result for _, result in rows]), staged)
                members |= {source.path: name for source, _ in rows}
            emptied = self._take_out_old_rows(members, staged)
            with self._journal.transaction() as database:
                for source, result, seconds in entries:
                    light = self._dataset.tabular.without_rows(result)
                    self._journal.finish(source, light, seconds=seconds)
                _note(database, members, staged, emptied)
        except BaseException:
            for name, token in staged.items():
                with suppress(OutputError):
                    self._store.remove(_staged(name, token))
            raise
        for name, token in staged.items():
            self._store.rename(_staged(name, token), name)
        for name in emptied:
            self._store.remove(name)

    def _stage(self, name: str, table: Any, staged: dict[str, str]) -> None:
        import pyarrow.parquet as pq

        def fill(stream: IO[bytes]) -> None:
            pq.write_table(table, stream)

        staged[name] = secrets.token_hex(4)
        self._store.write(_staged(name, staged[name]), fill)

    def _take_out_old_rows(self, members: dict[str, str], staged: dict[str, str]) -> list[str]:
        """Stage parts again without the rows of inputs that are done again; gives the parts left empty."""
        old: dict[str, set[str]] = defaultdict(set)
        for row in self._outdated_rows() if self._some_outdated else ():
            old[row["part"]].add(os.fsdecode(row["path"]))
        emptied = []
        for name, paths in old.items():
            table = _without(self._store.read(name), paths)
            if table.num_rows:
                self._stage(name, table, staged)
            else:
                emptied.append(name)
            for path in paths:
                members.setdefault(path, "")
        self._some_outdated = False
        return emptied


def require_no_parts(dataset: Dataset[R], shard: Shard) -> None:
    """Say before anything is touched that there is a data set already.

    Raises:
        OutputError: there is, as far as this shard is concerned.
    """
    if any(_own(name, shard) for name in open_store(dataset.location).names()):
        raise OutputError(
            f"{dataset.location}: holds a data set already; add --resume to go on with it, or --force"
        )


def _without(content: bytes, paths: set[str]) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(pa.BufferReader(content))
    gone = pa.array([as_text(path) for path in paths], pa.string())
    return table.filter(pc.invert(pc.is_in(table["path"], value_set=gone)))


def _note(
    database: sqlite3.Connection,
    members: dict[str, str],
    staged: dict[str, str],
    emptied: list[str],
) -> None:
    """Note which parts there are and whose rows they have; "" stands for none."""
    for path, part in members.items():
        key = os.fsencode(path)
        if part:
            database.execute("INSERT OR REPLACE INTO members VALUES (?, ?)", (key, part))
        else:
            database.execute("DELETE FROM members WHERE path = ?", (key,))
    for name, token in staged.items():
        database.execute("INSERT OR REPLACE INTO parts VALUES (?, ?)", (name, token))
    database.executemany("DELETE FROM parts WHERE name = ?", [(name,) for name in emptied])


def _prefix(shard: Shard) -> str:
    """What the numbers of a shard's parts begin with."""
    return f"{shard.index}-of-{shard.count}-" if shard.count > 1 else ""


def _own(name: str, shard: Shard) -> bool:
    """Whether a file is a part of this shard."""
    return bool(re.fullmatch(rf"(.*/)?part-{_prefix(shard)}\d{{5,}}\.parquet", name))


def _staged(name: str, token: str) -> str:
    """The name of a part that is not yet one: hidden, and of no ending that readers look for."""
    folder, slash, file = name.rpartition("/")
    return f"{folder}{slash}.{file}.{token}.tmp"


def _unstaged(name: str) -> str:
    """The part that a file of such a name was to be; "" if it is none."""
    folder, slash, file = name.rpartition("/")
    match = re.fullmatch(r"\.(.*\.parquet)\.[0-9a-f]{8}\.tmp", file)
    return f"{folder}{slash}{match[1]}" if match else ""
