"""The journals of shards, read together: the progress of each, their results, and the missing ones."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from audiocnn_cli.batch.inputs import JOURNAL_NAMES, Shard
from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.batch.schema import State, meta, open_database, outcome_in, sqlite_errors
from audiocnn_cli.batch.task import Codec
from audiocnn_cli.errors import UsageError

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The content of a journal: its shard, the configuration of its results, and counts of its inputs.

    `unfinished` inputs were begun and are neither done nor failed; a part is `complete` if its run has come
    to the end of its inputs; `older` inputs were done with another configuration, and don't count.
    """

    journal: Path
    shard: Shard
    configuration: dict[str, Any]
    done: int
    failures: dict[str, int]
    unfinished: int
    older: int
    complete: bool

    @property
    def failed(self) -> int:
        """Inputs without a result."""
        return sum(self.failures.values())

    @property
    def whole(self) -> bool:
        """Whether all inputs of the shard are done or have failed."""
        return self.complete and not self.unfinished

    def outcomes(self, codec: Codec[R]) -> Iterator[R | Failure]:
        """The outcomes of its inputs, in the order in which they were begun."""
        with sqlite_errors(self.journal), closing(open_database(self.journal)) as database:
            rows = database.execute(
                "SELECT * FROM inputs WHERE state != ? AND configuration = ? ORDER BY rowid",
                (State.BEGUN, meta(database, "digest")),
            )
            for row in rows:
                outcome = outcome_in(row, codec)
                yield outcome


def read_parts(paths: Iterable[Path]) -> list[Part]:
    """The journals at `paths` and in the folders among them, by shard.

    Raises:
        UsageError: one is not a journal, there is none, or they are not shards of one batch.
        OutputError: a run is still writing one.
    """
    journals = [journal for path in paths for journal in _journals_at(path)]
    parts = sorted((_read(path) for path in journals), key=lambda part: part.shard.index)
    first = parts[0]
    for before, part in pairwise(parts):
        if part.shard == before.shard:
            raise UsageError(
                f"{part.journal} and {before.journal} are both part {part.shard}: give one of them"
            )
        if part.shard.count != first.shard.count:
            raise UsageError(
                f"{part.journal} is part {part.shard}, and {first.journal} part {first.shard}: they are not"
                " parts of one batch"
            )
        for key in sorted(first.configuration.keys() | part.configuration.keys()):
            ours, theirs = first.configuration.get(key), part.configuration.get(key)
            if ours != theirs:
                raise UsageError(
                    f"{part.journal} was made with {key} {theirs}, and {first.journal} with {ours}: run one"
                    " of them again with `resume=True`"
                )
    return parts


def missing_shards(parts: list[Part]) -> list[Shard]:
    """The shards without a journal among the parts."""
    there = {part.shard.index for part in parts}
    count = parts[0].shard.count
    return [Shard(index, count) for index in range(1, count + 1) if index not in there]


def _journals_at(path: Path) -> list[Path]:
    if not path.is_dir():
        if not path.is_file():
            raise UsageError(f"{path}: no such journal or folder")
        return [path]
    found = sorted(path.glob(JOURNAL_NAMES))
    if not found:
        raise UsageError(f"{path}: holds no journal; give the folders or journals of the parts")
    return found


def _read(path: Path) -> Part:
    query = "SELECT configuration = ? AS ours, state, kind, count(*) AS n FROM inputs GROUP BY 1, 2, 3"
    counts: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    with sqlite_errors(path), closing(open_database(path)) as database:
        if meta(database, "shard") is None:
            raise UsageError(f"{path}: is an empty journal; run its part again, or leave it out")
        for row in database.execute(query, (meta(database, "digest"),)):
            counts[row["state"] if row["ours"] else "older"] += row["n"]
            if row["ours"] and row["state"] == State.FAILED:
                failures[row["kind"]] += row["n"]
        return Part(
            journal=path,
            shard=Shard.parse(meta(database, "shard")),
            configuration=meta(database, "configuration") or {},
            done=counts[State.DONE],
            failures=dict(failures.most_common()),
            unfinished=counts[State.BEGUN],
            older=counts["older"],
            complete=meta(database, "complete") or False,
        )
