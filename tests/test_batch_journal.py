"""The journal: a resumed run does what is missing or has changed, and nothing else."""

import os
import re
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from audiocnn_cli.audio.sources import Source, find_audio
from audiocnn_cli.batch.inputs import Shard
from audiocnn_cli.batch.job import configuration
from audiocnn_cli.batch.journal import Journal
from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.batch.parts import missing_shards, read_parts
from audiocnn_cli.batch.run import Workers, run_batch
from audiocnn_cli.batch.task import DataclassCodec, WithoutFiles
from audiocnn_cli.classify import Prediction
from audiocnn_cli.classify.work import Classification, ModelChoice
from audiocnn_cli.errors import FailureKind, InputError, OutputError, UsageError
from tests.batch_tasks import Echo
from tests.conftest import Finished
from tests.onnx_models import write_good_model

Run = Callable[..., Finished]
MakeWav = Callable[..., Path]
TWO = Workers(jobs=2)


class Text:
    """Results that are strings."""

    def pack(self, result: str) -> Any:
        return result

    def unpack(self, values: Any) -> str:
        return str(values)


@dataclass(frozen=True)
class Read(WithoutFiles):
    """Returns the content of a file, and logs the call; with `out` also in a file of its own."""

    log: Path
    out: Path | None = None
    modules: ClassVar[tuple[str, ...]] = ()

    def prepare(self) -> Callable[[Source], str]:
        return self._work

    def _work(self, source: Source) -> str:
        with self.log.open("a") as stream:
            stream.write(source.name + "\n")
        try:
            text = Path(source.path).read_text()
        except OSError as error:
            raise InputError(source.path, FailureKind.NOT_FOUND, "is not there") from error
        if "grow" in source.name:
            with Path(source.path).open("a") as stream:
                stream.write("more")
        if self.out is not None:
            self.file_of(source).write_text(text)
        return text

    def file_of(self, source: Source) -> Path:
        assert self.out is not None
        return (self.out / source.name).with_suffix(".txt")


@dataclass
class Runs:
    """Runs over a folder with a journal, and what each of them worked on."""

    folder: Path
    journal: Path
    out: Path | None = None

    def __call__(self, *, options: int = 1, inputs: list[Source] | None = None, **more: Any) -> Any:
        log = self.journal.with_suffix(".log")
        log.write_text("")
        task = Read(log, self.out)
        with Journal(
            self.journal,
            Text(),
            configuration={"options": options},
            output_of=task.file_of if self.out else None,
            **{"resume": True, **more},
        ) as journal:
            found = find_audio([str(self.folder)]) if inputs is None else inputs
            outcomes = run_batch(found, task, workers=TWO, journal=journal)
            kinds = [o.kind if isinstance(o, Failure) else o for o in outcomes]
            self.changed = journal.changed
        return kinds, sorted(log.read_text().split())


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in "abcd":
        (folder / f"{name}.wav").write_text(name)
    return Runs(folder, tmp_path / "journal")


def test_nothing_is_done_twice(runs: Runs) -> None:
    everything = ["a.wav", "b.wav", "c.wav", "d.wav"]
    assert runs() == (["a", "b", "c", "d"], everything)
    assert runs() == (["a", "b", "c", "d"], [])
    (runs.folder / "e.wav").write_text("e")
    (runs.folder / "a.wav").unlink()
    assert runs() == (["b", "c", "d", "e"], ["e.wav"])
    assert runs(resume=False)[1] == ["b.wav", "c.wav", "d.wav", "e.wav"]


def test_what_has_changed_is_done_again(runs: Runs) -> None:
    runs()
    (runs.folder / "b.wav").write_text("B")
    os.utime(runs.folder / "b.wav", ns=(0, 1))
    assert runs() == (["a", "B", "c", "d"], ["b.wav"])


def test_by_content(runs: Runs) -> None:
    runs(by_content=True)
    for path in runs.folder.iterdir():
        os.utime(path, ns=(0, 1))
    assert runs(by_content=True)[1] == []
    state = (runs.folder / "c.wav").stat()
    (runs.folder / "c.wav").write_text("C")
    os.utime(runs.folder / "c.wav", ns=(state.st_atime_ns, state.st_mtime_ns))
    assert runs()[1] == [], "size and time are the same"
    assert runs(by_content=True) == (["a", "b", "C", "d"], ["c.wav"])


def test_a_file_that_changes_while_it_is_read(runs: Runs) -> None:
    (runs.folder / "grows.wav").write_text("g")
    assert runs()[0][-1] == "g"
    assert runs() == (["a", "b", "c", "d", "gmore"], ["grows.wav"])


def test_a_file_that_vanishes_after_it_was_listed(runs: Runs) -> None:
    listed = [source for source in find_audio([str(runs.folder)]) if isinstance(source, Source)]
    (runs.folder / "b.wav").unlink()
    assert runs(inputs=listed)[0] == ["a", "not_found", "c", "d"]
    assert runs(inputs=listed) == (["a", "not_found", "c", "d"], [])
    (runs.folder / "b.wav").write_text("b")
    assert runs(inputs=listed) == (["a", "b", "c", "d"], ["b.wav"])


def test_other_options_are_noticed(runs: Runs) -> None:
    runs(options=1)
    assert runs.changed == {}
    assert runs(options=2)[1] == ["a.wav", "b.wav", "c.wav", "d.wav"]
    assert runs.changed == {"options": (1, 2)}
    assert runs(options=2)[1] == []


def test_outputs_that_are_lost_or_cut_are_made_again(runs: Runs, tmp_path: Path) -> None:
    runs.out = tmp_path / "out"
    runs.out.mkdir()
    runs()
    (runs.out / "a.txt").unlink()
    (runs.out / "c.txt").write_text("")
    assert runs()[1] == ["a.wav", "c.wav"]
    assert (runs.out / "c.txt").read_text() == "c"


def test_files_of_others_are_not_replaced(runs: Runs, tmp_path: Path) -> None:
    runs.out = tmp_path / "out"
    runs.out.mkdir()
    (runs.out / "c.txt").write_text("precious")
    with pytest.raises(OutputError, match=r"c\.txt: exists already"):
        runs()
    assert (runs.out / "c.txt").read_text() == "precious"
    assert not (runs.out / "d.txt").exists()
    assert runs(force=True)[0] == ["a", "b", "c", "d"]
    assert (runs.out / "c.txt").read_text() == "c"


def test_two_inputs_of_one_name(runs: Runs, tmp_path: Path) -> None:
    runs.out = tmp_path / "out"
    runs.out.mkdir()
    shutil.copy(runs.folder / "a.wav", runs.folder / "a.flac")
    for _ in range(2):
        kinds, _worked = runs()
        assert kinds == ["a", "permission", "b", "c", "d"]


def test_a_file_that_is_not_a_journal(runs: Runs) -> None:
    runs.journal.write_text("a shopping list, longer than the header of a database" * 10)
    with pytest.raises(UsageError, match="is not a journal of audiocnn"):
        runs()


@pytest.mark.parametrize(
    ("table", "refusal"), [("meta", "another version of audiocnn"), ("songs", "is not a journal of audiocnn")]
)
def test_a_database_of_another_schema_is_refused(runs: Runs, table: str, refusal: str) -> None:
    with closing(sqlite3.connect(runs.journal)) as database:
        database.execute(f"CREATE TABLE {table} (key TEXT PRIMARY KEY, value TEXT)")
        database.execute("CREATE TABLE inputs (path BLOB PRIMARY KEY, broken_off INTEGER)")
    content = runs.journal.read_bytes()
    for refused in (runs, lambda: read_parts([runs.journal])):
        with pytest.raises(UsageError, match=refusal):
            refused()
    with closing(sqlite3.connect(runs.journal)) as database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(inputs)")]
    assert columns == ["path", "broken_off"]
    assert len(runs.journal.read_bytes()) == len(content)


def test_an_empty_journal_is_no_part(tmp_path: Path) -> None:
    (tmp_path / "j").touch()
    with pytest.raises(UsageError, match="is an empty journal"):
        read_parts([tmp_path / "j"])


@pytest.mark.slow
def test_ten_thousand_files_in_one_folder(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    (folder / "00000.wav").write_text("x")
    for i in range(1, 10_000):
        os.link(folder / "00000.wav", folder / f"{i:05}.wav")
    start = time.monotonic()
    with Journal(tmp_path / "journal", Text(), configuration={}) as journal:
        found = find_audio([str(folder)])
        outcomes = run_batch(found, Echo(), workers=TWO, journal=journal)
        assert list(outcomes) == [str(folder / f"{i:05}.wav") for i in range(10_000)]
    assert time.monotonic() - start < 60


def test_shards_are_a_stable_partition() -> None:
    paths = [Source(f"/data/{i}.wav") for i in range(1000)]
    shards = [Shard(i, 7) for i in range(1, 8)]
    parts = [list(shard.of(paths)) for shard in shards]
    assert sorted(s.path for part in parts for s in part) == sorted(s.path for s in paths)
    assert all(100 < len(part) < 190 for part in parts)
    fewer = paths[::3]
    for shard, part in zip(shards, parts, strict=True):
        assert list(shard.of(fewer)) == [source for source in part if source in fewer]
    for text in ("0/3", "4/3", "1", "a/b", "1/0", "-1/3", "1/3/3"):
        with pytest.raises(UsageError, match="give I/N"):
            Shard.parse(text)


def test_the_configuration_counts_a_model_by_its_content(tmp_path: Path) -> None:
    path = write_good_model(tmp_path / "m.onnx")
    before = configuration(Classification(models=(ModelChoice(path),)))
    assert before["options.top"] == 3
    path.write_bytes(path.read_bytes() + b"\x00")
    after = configuration(Classification(models=(ModelChoice(path),)))
    assert [key for key in after if before[key] != after[key]] == ["models.0.path"]


def test_a_prediction_survives_the_journal(make_wav: MakeWav, tmp_path: Path) -> None:
    model = ModelChoice(write_good_model(tmp_path / "m.onnx"))
    task = Classification(models=(model,))
    path = make_wav()
    path = path.rename(path.with_name(os.fsdecode(b"latin-\xe9.wav")))
    (first,) = run_batch([Source(str(path))], task)
    assert isinstance(first, Prediction)
    for _ in range(2):
        with Journal(tmp_path / "j", DataclassCodec(Prediction), configuration={}, resume=True) as journal:
            again = run_batch([Source(str(path))], task, journal=journal)
            assert list(again) == [first]


@pytest.fixture
def parts(run: Run, make_wav: MakeWav, tmp_path: Path) -> list[str]:
    """The command of a batch of 30 clips, one of which is broken."""
    for i in range(29):
        make_wav(f"clips/{i:02}.wav")
    (tmp_path / "clips" / "broken.wav").write_text("no audio")
    model = write_good_model(tmp_path / "m.onnx")
    return ["classify", str(tmp_path / "clips"), "--model", str(model), "-j", "1", "-q"]


def test_parts_are_joined(run: Run, parts: list[str], tmp_path: Path) -> None:
    whole = run(*parts, "--json").document
    out = tmp_path / "out"
    for i in (3, 1):
        run(*parts, "-o", f"{out}/", "--shard", f"{i}/3")
    gap = run("merge", out, "--json")
    assert gap.exit_code == 1
    assert "part 2/3: is missing" in gap.stderr
    assert 0 < len(gap.document["results"]) < 29
    run(*parts, "-o", f"{out}/", "--shard", "2/3")
    assert len(list(out.glob("*.json"))) == 29
    merged = run("merge", out, "--json")
    assert merged.exit_code == 1  # of the broken one
    by_path = {result["path"]: result for result in merged.document["results"]}
    assert by_path == {result["path"]: result for result in whole["results"]}
    assert merged.document["failures"] == whole["failures"]
    table = run("merge", *sorted(out.glob(".*.sqlite")))
    assert [row.split()[0] for row in table.stdout.splitlines() if "complete" in row] == ["1/3", "2/3", "3/3"]
    run("merge", out, "-o", tmp_path / "all.csv")
    assert len((tmp_path / "all.csv").read_text().splitlines()) == 30


def test_parts_that_do_not_fit(run: Run, parts: list[str], tmp_path: Path) -> None:
    one, two, three = (tmp_path / name for name in ("one", "two", "three"))
    run(*parts, "--journal", one, "--shard", "1/2")
    run(*parts, "--journal", two, "--shard", "2/2", "--top", "1")
    run(*parts, "--journal", three, "--shard", "2/3")
    refused = run("merge", one, two)
    assert refused.exit_code == 2
    assert "was made with options.top 1" in refused.stderr
    assert "not parts of one batch" in run("merge", one, three).stderr
    assert "are both part 1/2" in run("merge", one, one).stderr
    assert "no such journal" in run("merge", tmp_path / "none").stderr
    assert "holds no journal" in run("merge", tmp_path / "clips").stderr
    assert [str(shard) for shard in missing_shards(read_parts([three]))] == ["1/3", "3/3"]


def test_a_part_whose_run_was_stopped(tmp_path: Path) -> None:
    with Journal(tmp_path / "j", Text(), configuration={}) as journal:
        journal.begin(Source("a"))
        journal.begin(Source("b"))
        journal.finish(Source("b"), "B", seconds=1.0)
    (part,) = read_parts([tmp_path / "j"])
    assert (part.done, part.unfinished, part.whole) == (1, 1, False)
    outcomes = part.outcomes(Text())
    assert list(outcomes) == ["B"]


def test_resuming_needs_a_journal(run: Run, make_wav: MakeWav, tmp_path: Path) -> None:
    path = make_wav()
    assert run("classify", path, "--resume").exit_code == 2
    no_numbers = run("features", path, "--csv", "--journal", tmp_path / "j")
    assert no_numbers.exit_code == 2
    assert "can't be resumed" in no_numbers.stderr
    failures = tmp_path / "failures.jsonl"
    failures.write_text('{"path": 3}\n')
    wrong = run("classify", "--retry-failures", failures)
    assert wrong.exit_code == 2
    assert "line 1: is not a line of a failure log" in wrong.stderr
    assert run("classify", path, "--retry-failures", failures).exit_code == 2
    assert run("classify").exit_code == 2


def test_the_page_lists_the_columns_of_the_journal(tmp_path: Path) -> None:
    page = (Path(__file__).parent.parent / "docs" / "batch.md").read_text()
    table = page.split("| column | meaning |")[1].split("\n\n")[0]
    listed = re.findall(r"`(\w+)`", "".join(row.split("|")[1] for row in table.splitlines()[2:]))
    Journal(tmp_path / "j", Text(), configuration={}).close()
    with closing(sqlite3.connect(tmp_path / "j")) as database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(inputs)")]
    assert sorted(listed) == sorted(columns)
