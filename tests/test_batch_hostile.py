"""A journal from elsewhere is refused in one sentence, in bounded memory, whatever it holds."""

import json
import resource
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from audiocnn_cli.batch import schema
from audiocnn_cli.batch.task import DataclassCodec
from tests.conftest import Finished

Run = Callable[..., Finished]
MakeWav = Callable[..., Path]


def bomb(mebibytes: int) -> bytes:
    """A JSON list of zeros, compressed a thousand times."""
    deflate = zlib.compressobj(9)
    block = b"0," * (1 << 19)
    parts = [deflate.compress(b"["), *(deflate.compress(block) for _ in range(mebibytes))]
    return b"".join([*parts, deflate.compress(b"0]"), deflate.flush()])


CHANGES: dict[str, tuple[str, Any]] = {
    "a zip bomb": ("UPDATE inputs SET result = ?", bomb(1500)),
    "no zlib": ("UPDATE inputs SET result = ?", b"no zlib"),
    "half of zlib": ("UPDATE inputs SET result = ?", zlib.compress(b"{}" * 999)[:9]),
    "a list for an object": ("UPDATE inputs SET result = ?", zlib.compress(b"[1, 2]")),
    "a number for an object": ("UPDATE inputs SET result = ?", zlib.compress(b'{"document": 3}')),
    "a list for a document": ("UPDATE inputs SET result = ?", zlib.compress(b'{"document": []}')),
    "a document without a shape": (
        "UPDATE inputs SET result = ?",
        zlib.compress(b'{"document": {"path": "a.wav", "duration_s": 1.0}}'),
    ),
    "nested lists": ("UPDATE inputs SET result = ?", zlib.compress(b"[" * 200_000)),
    "a result that is text": ("UPDATE inputs SET result = ?", "text"),
    "no result": ("UPDATE inputs SET result = ?", None),
    "a time that is text": ("UPDATE inputs SET seconds = ?", "long"),
    "an unknown kind": ("UPDATE inputs SET kind = ?, state = 'failed'", "no_such_kind"),
    "a configuration that is a list": ("UPDATE meta SET value = ? WHERE key = 'configuration'", "[1]"),
    "a configuration that is no JSON": ("UPDATE meta SET value = ? WHERE key = 'configuration'", "{"),
    "a run that is a text": ("UPDATE meta SET value = ? WHERE key = 'run'", '"1"'),
}


@pytest.fixture
def limited_memory() -> Iterator[None]:
    """Two GiB more of address space than there are now."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + (2 << 30), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def refused(finished: Finished) -> bool:
    sentence = "is not a journal of audiocnn"
    return finished.exit_code == 2 and sentence in finished.stderr and finished.stderr.count("\n") == 1


@pytest.mark.usefixtures("limited_memory")
@pytest.mark.parametrize("command", ["features", "classify"])
@pytest.mark.parametrize("change", CHANGES)
def test_values_that_are_not_ours(
    change: str, command: str, run: Run, make_wav: MakeWav, tmp_path: Path
) -> None:
    journal = tmp_path / "run.sqlite"
    model = ["--model", "genre-cnn"] if command == "classify" else []
    given = [command, make_wav(), *model, "--journal", journal]
    assert run(*given).exit_code in (0, 1)
    statement, value = CHANGES[change]
    with closing(sqlite3.connect(journal)) as database:
        database.execute(statement, (value,))
        database.commit()
    finished = run(*given, "--resume", "--json")
    assert refused(finished), finished.stderr
    merged = run("merge", journal, "--json")
    # What only resuming reads does not matter to merging.
    assert refused(merged) or ("run" in change and merged.exit_code in (0, 1)), merged.stderr


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIEW more AS SELECT * FROM inputs",
        "CREATE TRIGGER t AFTER INSERT ON inputs BEGIN DELETE FROM inputs; END",
        "ALTER TABLE inputs ADD COLUMN more",
        "DROP TABLE members",
    ],
)
def test_another_schema_of_the_same_version(
    statement: str, run: Run, make_wav: MakeWav, tmp_path: Path
) -> None:
    journal = tmp_path / "run.sqlite"
    assert run("features", make_wav(), "--journal", journal).exit_code == 0
    with closing(sqlite3.connect(journal)) as database:
        database.execute(statement)
        database.commit()
    assert refused(run("features", make_wav(), "--journal", journal, "--resume"))


def test_a_view_in_place_of_a_table(run: Run, make_wav: MakeWav, tmp_path: Path) -> None:
    """Reading it would never end."""
    journal = tmp_path / "run.sqlite"
    view = (
        "CREATE VIEW meta AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
        " SELECT i AS key, i AS value FROM n"
    )
    with closing(sqlite3.connect(journal)) as database:
        database.execute(view)
        database.execute("PRAGMA user_version = 3")
        database.commit()
    assert refused(run("features", make_wav(), "--journal", journal, "--resume"))


def test_a_result_too_large_to_be_recalled_is_done_again(
    run: Run, make_wav: MakeWav, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "_LARGEST_RESULT", 100)
    given = ["features", make_wav(), "--journal", tmp_path / "run.sqlite", "--json"]
    first, again = run(*given), run(*given, "--resume")
    assert first.document == again.document
    assert schema.pack_result(3, DataclassCodec(int)) is not None


def test_messages_of_failures_are_text(run: Run, tmp_path: Path) -> None:
    journal = tmp_path / "run.sqlite"
    broken = tmp_path / "a.wav"
    broken.write_text("no audio")
    run("features", broken, "--journal", journal)
    with closing(sqlite3.connect(journal)) as database:
        database.execute("UPDATE inputs SET message = 5")
        database.commit()
    finished = run("features", broken, "--journal", journal, "--resume", "--json")
    assert json.loads(finished.stdout)["failures"][0]["message"] == "5"
