"""The journal of a data set, which is written in parts: each part appears whole or not at all.

A part is written under a temporary name that readers ignore. Then, in one transaction, the journal records
the part and the inputs whose rows it holds; only then it is renamed. After a run that was killed in between,
the next one renames or removes files according to the journal: no row is lost, and none is there twice.
"""

import os
import re
import secrets
import sqlite3
import time
from collections import defaultdict
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.inputs import Shard
from audiocnn_cli.batch.journal import Journal
from audiocnn_cli.batch.outcome import Failure, Finished
from audiocnn_cli.batch.schema import State
from audiocnn_cli.batch.task import Codec
from audiocnn_cli.datasets.dataset import Dataset, as_text, write_parquet
from audiocnn_cli.datasets.storage import open_storage
from audiocnn_cli.errors import OutputError

R = TypeVar("R")

# A part also ends when it has so many bytes of rows in memory, or its first rows are so old.
_PART_BYTES = 64 * 2**20
_PART_SECONDS = 30.0


class DatasetJournal(Journal[R]):
    """A journal in which inputs are done when their rows are in a part."""

    def __init__(
        self,
        dataset: Dataset[R],
        path: Path,
        codec: Codec[R],
        *,
        shard: Shard,
        resume: bool,
        force: bool,
        **options: Any,
    ) -> None:
        """Open the journal at `path` as `Journal` does, and continue what an earlier run has left.

        Raises:
            OutputError: there are parts that the journal does not list, or the folder can't be written.
            MissingExtraError: the package that reaches the folder is not installed.
        """
        super().__init__(path, codec, shard=shard, resume=resume, force=force, **options)
        self._dataset = dataset
        self._shard = shard
        # The inputs of the next part, with their results and the seconds of work.
        self._entries: list[tuple[Source, R, float]] = []
        self._weight = 0
        self._first_entry_s = 0.0
        try:
            self._storage = open_storage(dataset.location)
            self._recover(resume=resume, force=force)
        except BaseException:
            self.close()
            raise
        self._some_outdated = bool(self._outdated_rows())
        numbers = (int(name.rpartition("-")[2].removesuffix(".parquet")) for name in self._recorded_parts())
        self._number = max(numbers, default=0)

    def begin(self, source: Source) -> Finished[R] | None:
        """The recalled outcome of `source`, or None: then it must be worked on."""
        known = super().begin(source)
        if known is None and (self.removed_paths or self.has_rows(source.path)):
            self._some_outdated = True
        return known

    def finish(self, source: Source, outcome: R | Failure, *, seconds: float) -> R | Failure:
        """Keep the rows of `source` for a part; a failure is recorded at once."""
        if isinstance(outcome, Failure):
            return super().finish(source, outcome, seconds=seconds)
        now = time.monotonic()
        if not self._entries:
            self._first_entry_s = now
        self._entries.append((source, outcome, seconds))
        self._weight += self._dataset.tabular.weight(outcome)
        if (
            len(self._entries) >= self._dataset.part_files
            or self._weight >= _PART_BYTES
            or now - self._first_entry_s >= _PART_SECONDS
        ):
            self._write_part()
        return self._dataset.tabular.without_rows(outcome)

    def end(self, *, complete: bool) -> None:
        """Write the last part, and end the run."""
        self._write_part()
        super().end(complete=complete)

    def has_rows(self, path: str) -> bool:
        """Whether a part holds the rows of an input."""
        return bool(self.rows("SELECT 1 FROM members WHERE path = ?", os.fsencode(path)))

    def _recorded_parts(self) -> dict[str, str]:
        return {row["name"]: row["token"] for row in self.rows("SELECT * FROM parts")}

    def _outdated_rows(self) -> list[sqlite3.Row]:
        """The inputs with rows in a part that are done again, have failed now, or have another path."""
        return self.rows(
            "SELECT path, part FROM members LEFT JOIN inputs USING (path) WHERE state IS NOT ?", State.DONE
        )

    def _recover(self, *, resume: bool, force: bool) -> None:
        """Rename the temporary files that the journal lists as parts, and remove the others."""
        if not resume:
            with self.transaction() as database:
                database.execute("DELETE FROM members")
                database.execute("DELETE FROM parts")
        found = list(self._storage.names())
        ours = {name for name in found if _is_part(name, self._shard)}
        recorded = self._recorded_parts()
        if ours and resume and not recorded and not force:
            raise OutputError(
                f"{self._dataset.location}: holds parts that the journal {self.path} does not list; add"
                " `force=True` to replace them, or give another folder"
            )
        staged = {_staged(name, token): name for name, token in recorded.items()}
        for name in found:
            if name in staged:
                self._storage.rename(name, staged[name])
                ours.add(staged[name])
            elif _is_part(_unstaged(name), self._shard):
                self._storage.remove(name)
        for name in ours - recorded.keys():
            self._storage.remove(name)
        with self.transaction() as database:
            other = database.execute(
                "SELECT DISTINCT part FROM members JOIN inputs USING (path) WHERE configuration != ?",
                (self.digest,),
            )
            outdated = {row["part"] for row in other}
            for name in outdated | (recorded.keys() - ours):
                database.execute("DELETE FROM members WHERE part = ?", (name,))
                database.execute("DELETE FROM parts WHERE name = ?", (name,))
        for name in outdated:
            self._storage.remove(name)

    def _write_part(self) -> None:
        entries = list({entry[0].path: entry for entry in self._entries}.values())
        self._entries, self._weight = [], 0
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
            emptied = self._remove_outdated(members, staged)
            with self.transaction() as database:
                for source, result, seconds in entries:
                    light = self._dataset.tabular.without_rows(result)
                    super().finish(source, light, seconds=seconds)
                _record(database, members, staged, emptied)
        except BaseException:
            for name, token in staged.items():
                with suppress(OutputError):
                    self._storage.remove(_staged(name, token))
            raise
        for name, token in staged.items():
            self._storage.rename(_staged(name, token), name)
        for name in emptied:
            self._storage.remove(name)

    def _stage(self, name: str, table: Any, staged: dict[str, str]) -> None:
        staged[name] = secrets.token_hex(4)
        self._storage.write(_staged(name, staged[name]), partial(write_parquet, table))

    def _remove_outdated(self, members: dict[str, str], staged: dict[str, str]) -> list[str]:
        """Stage parts again without their outdated rows, and return the names of parts left empty."""
        old: dict[str, set[str]] = defaultdict(set)
        for row in self._outdated_rows() if self._some_outdated else ():
            old[row["part"]].add(os.fsdecode(row["path"]))
        emptied = []
        for name, paths in old.items():
            table = _without(self._storage.read(name), paths)
            if table.num_rows:
                self._stage(name, table, staged)
            else:
                emptied.append(name)
            for path in paths:
                members.setdefault(path, "")
        self._some_outdated = False
        return emptied


def require_no_parts(dataset: Dataset[R], shard: Shard) -> None:
    """Refuse an existing data set, before any work.

    Raises:
        OutputError: there are parts of this shard.
    """
    if any(_is_part(name, shard) for name in open_storage(dataset.location).names()):
        raise OutputError(
            f"{dataset.location}: holds a data set already; add `resume=True` to go on with it, or"
            " `force=True`"
        )


def _without(content: bytes, paths: set[str]) -> Any:
    """The rows of a part as an Arrow table, without those of some paths."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(pa.BufferReader(content))
    gone = pa.array([as_text(path) for path in paths], pa.string())
    return table.filter(pc.invert(pc.is_in(table["path"], value_set=gone)))


def _record(
    database: sqlite3.Connection, members: dict[str, str], staged: dict[str, str], emptied: list[str]
) -> None:
    """Record the parts and the inputs whose rows they hold; the part "" stands for no rows."""
    for path, part in members.items():
        key = os.fsencode(path)
        if part:
            database.execute("INSERT OR REPLACE INTO members VALUES (?, ?)", (key, part))
        else:
            database.execute("DELETE FROM members WHERE path = ?", (key,))
    database.executemany("INSERT OR REPLACE INTO parts VALUES (?, ?)", staged.items())
    database.executemany("DELETE FROM parts WHERE name = ?", [(name,) for name in emptied])


def _prefix(shard: Shard) -> str:
    """The text before the numbers of a shard's parts."""
    return f"{shard.index}-of-{shard.count}-" if shard.count > 1 else ""


def _is_part(name: str, shard: Shard) -> bool:
    """Whether a file is a part of this shard."""
    return bool(re.fullmatch(rf"(.*/)?part-{_prefix(shard)}\d{{5,}}\.parquet", name))


def _staged(name: str, token: str) -> str:
    """The temporary name of a part: hidden, and without the ending that readers look for."""
    folder, slash, file = name.rpartition("/")
    return f"{folder}{slash}.{file}.{token}.tmp"


def _unstaged(name: str) -> str:
    """The name of the part that a temporary file is for; "" if it is not such a file."""
    folder, slash, file = name.rpartition("/")
    match = re.fullmatch(r"\.(.*\.parquet)\.[0-9a-f]{8}\.tmp", file)
    return f"{folder}{slash}{match[1]}" if match else ""
