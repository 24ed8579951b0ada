"""Parquet data sets: other tools read them, also while they are written, and faults lose no row."""

import os
import re
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest
import soundfile

from audiocnn_cli.datasets.storage import LocalStorage
from audiocnn_cli.errors import OutputError
from tests.conftest import Finished
from tests.onnx_models import write_good_model
from tests.test_batch_faults import JOURNAL, finish, start, states, wait_for

ROOT = Path(__file__).parent.parent
Run = Callable[..., Finished]


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Recordings of different lengths in folders of folders, with hostile names."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "clips"
    names = ["rock/a.wav", "rock/live = 1, 50%/b.wav", "jazz/c.wav", "jazz/d\nd.wav", "e.wav"]
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * rng.standard_normal(8000 + 3000 * number), 22050)
    return folder


def everything(folder: Path | str) -> str:
    """The pattern that finds all parts."""
    return f"{str(folder).rstrip('/')}/**/*.parquet"


def duck(folder: Path, columns: str, group: str = "", **options: bool) -> list[Any]:
    """The rows that DuckDB selects from all parts."""
    given = "".join(f", {name}={value}" for name, value in options.items())
    query = f"SELECT {columns} FROM read_parquet('{everything(folder)}'{given}) {group}"  # noqa: S608 (our own)
    found: list[Any] = duckdb.sql(query).fetchall()
    return found


def read(folder: Path) -> pd.DataFrame:
    """All rows, as pandas has them, in the order of path, segment and frame."""
    table = pd.read_parquet(folder)
    keys = [key for key in ("path", "segment", "frame", "start_s") if key in table.columns]
    return table.sort_values(keys, ignore_index=True)


def rows_by_path(folder: Path) -> Counter[str]:
    """How many rows each recording has."""
    return Counter(read(folder)["path"])


def test_the_rows_are_those_of_csv(run: Run, clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    written = run("features", clips, "--format", "parquet", "-o", f"{out}/", "-j", "2", "--json")
    assert written.exit_code == 0, written.stderr
    assert {result["output"] for result in written.document["results"]} == {f"{out}/"}
    assert run("features", clips, "-o", tmp_path / "all.csv").exit_code == 0
    expected = pd.read_csv(tmp_path / "all.csv").sort_values(["path", "frame"], ignore_index=True)
    table = read(out)
    assert list(table.columns) == list(expected.columns)
    for name in expected.columns:
        if name == "path":
            assert table[name].tolist() == expected[name].tolist()
        else:
            np.testing.assert_allclose(table[name], expected[name], rtol=1e-6, atol=1e-6)
    assert duck(out, "count(DISTINCT path)") == [(5,)]
    assert pl.scan_parquet(everything(out)).collect().height == len(expected)


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("label", {"a": "rock", "b": "rock", "c": "jazz", "d\nd": "jazz", "e": "none"}),
        ("folder", {"a": "rock", "b": "rock/live = 1, 50%", "c": "jazz", "d\nd": "jazz", "e": "none"}),
    ],
)
def test_partitions_read_back(
    by: str, expected: dict[str, str], run: Run, clips: Path, tmp_path: Path
) -> None:
    out = tmp_path / "set"
    finished = run("features", clips, "--format", "parquet", "--partition-by", by, "-o", f"{out}/", "-j", "1")
    assert finished.exit_code == 0, finished.stderr
    scanned = pl.scan_parquet(everything(out), hive_partitioning=True).select("path", by)
    found = pd.read_parquet(out)[["path", by]].drop_duplicates()
    readers: list[list[tuple[str, Any]]] = [
        duck(out, f"DISTINCT path, {by}", hive_partitioning=True),
        scanned.unique().collect().rows(),
        list(zip(found["path"], found[by].astype(object), strict=True)),
    ]
    for rows in readers:
        assert {Path(path).stem: value for path, value in rows} == expected


def test_predictions_with_their_label_as_partition(run: Run, clips: Path, tmp_path: Path) -> None:
    model = write_good_model(tmp_path / "tiny.onnx")
    out = tmp_path / "set"
    options = ("--format", "parquet", "--partition-by", "label", "-o", f"{out}/", "--json")
    finished = run("classify", "--model", model, clips, "--threshold", "0", *options)
    assert finished.exit_code == 0, finished.stderr
    table = pd.read_parquet(out).set_index("path")
    for result in finished.document["results"]:
        row = table.loc[result["path"]]
        assert row["label"] == result["label"]
        assert row["probability"] == result["probability"]
        assert row["segments"] == result["segments"]
    whole = tmp_path / "abstained"
    finished = run(
        "classify", "--model", model, clips, "--threshold", "1", "--timeline", "--format", "parquet",
        "-o", f"{whole}/", "--json",
    )  # fmt: skip
    timeline = pd.read_parquet(whole)
    assert timeline["label"].isna().all()
    assert timeline["abstained"].all()
    labels = [name for name in timeline.columns if name.startswith("p_")]
    np.testing.assert_allclose(timeline[labels].sum(axis=1), 1, rtol=1e-5)
    segments = sum(result["segments"] for result in finished.document["results"])
    assert len(timeline) == segments


def test_recordings_with_other_columns_have_files_of_their_own(run: Run, clips: Path, tmp_path: Path) -> None:
    soundfile.write(clips / "stereo.wav", np.zeros((9000, 2)) + 0.1, 22050)
    out = tmp_path / "set"
    options = ("--channels", "--format", "parquet", "-o", f"{out}/")
    finished = run("features", clips / "e.wav", clips / "stereo.wav", *options)
    assert finished.exit_code == 0, finished.stderr
    assert duck(out, "count(DISTINCT path)", union_by_name=True) == [(2,)]
    assert len(list(out.glob("*.parquet"))) == 2


def test_what_is_there_is_not_written_over(run: Run, clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    options = ("features", clips, "--format", "parquet", "-o", f"{out}/", "-j", "1")
    assert run(*options).exit_code == 0
    before = read(out)
    refused = run(*options)
    assert refused.exit_code == 3
    assert "holds a data set already; add --resume" in refused.stderr
    assert run(*options, "--resume").exit_code == 0
    pd.testing.assert_frame_equal(read(out), before)
    assert run(*options, "--n-mfcc", "5", "--force").exit_code == 0
    assert read(out).columns[-1] == "mfcc_4"
    assert set(rows_by_path(out)) == set(before["path"])
    (out / JOURNAL).unlink()
    unknown = run(*options, "--resume")
    assert unknown.exit_code == 3
    assert "does not list; add --force" in unknown.stderr


def test_part_options_are_for_data_sets(run: Run, clips: Path, tmp_path: Path) -> None:
    for command in ("features", "classify"):
        refused = run(command, clips, "--partition-by", "label", "-o", f"{tmp_path}/x/")
        assert refused.exit_code == 2
        assert "--format parquet" in refused.stderr


def test_changed_inputs_have_their_new_rows_only(run: Run, clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    options = ("features", clips, "--format", "parquet", "-o", f"{out}/", "-j", "1")
    assert run(*options, "--part-files", "2").exit_code == 0
    before = rows_by_path(out)
    longer, broken = clips / "rock/a.wav", clips / "e.wav"
    soundfile.write(longer, 0.1 * np.ones(40000), 22050)
    broken.write_bytes(b"no audio")
    again = run(*options, "--resume", "--json")
    assert again.exit_code == 1
    after = rows_by_path(out)
    frames = {r["path"]: r["shape"][0] for r in again.document["results"]}
    assert after == frames
    assert after[str(longer)] == 1 + 40000 // 512 > before[str(longer)]
    assert str(broken) not in after
    assert len(after) == 4
    # Other options: every row is made again, and none of the old is left.
    assert run(*options, "--resume", "--hop", "256").exit_code == 1
    assert rows_by_path(out)[str(longer)] == 1 + 40000 // 256
    assert len(rows_by_path(out)) == 4


def test_two_shards_fill_one_data_set(run: Run, clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    for shard in ("1/2", "2/2"):
        finished = run("features", clips, "--format", "parquet", "-o", f"{out}/", "--shard", shard)
        assert finished.exit_code in (0, 3), finished.stderr
    whole = tmp_path / "whole"
    assert run("features", clips, "--format", "parquet", "-o", f"{whole}/").exit_code == 0
    pd.testing.assert_frame_equal(read(out), read(whole))
    merged = run("merge", out, "--jsonl")
    assert merged.exit_code == 0, merged.stderr
    assert len(merged.stdout.splitlines()) == 5


@pytest.mark.parametrize(
    ("command", "rows"),
    [("features", ()), ("classify", ()), ("classify", ("--timeline",)), ("classify", ("--events",))],
)
def test_the_schema_is_the_one_in_the_docs(
    command: str, rows: tuple[str, ...], run: Run, clips: Path, tmp_path: Path
) -> None:
    page = (ROOT / "docs" / "datasets.md").read_text()
    documented = {
        name: kind
        for names, kind in re.findall(r"^\| (`.*?) \| (\w+) \|", page, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", names)
    }
    out = tmp_path / "set"
    model = ("--model", write_good_model(tmp_path / "tiny.onnx")) if command == "classify" else ()
    finished = run(command, clips, *model, *rows, "--format", "parquet", "-o", f"{out}/")
    assert finished.exit_code == 0, finished.stderr
    for column in pq.read_schema(out / "part-00001.parquet"):
        name = re.sub(r"^(p_).+", r"\1LABEL", re.sub(r"^mfcc_\d+", "mfcc_0", column.name))
        assert documented[name] == str(column.type), column.name


@pytest.mark.parametrize("fault", ["rename", "commit", "power loss"])
def test_a_part_is_committed_with_its_inputs_or_not_at_all(
    fault: str, run: Run, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that ends between staging, commit and renaming leaves a state that the next run repairs."""
    out = tmp_path / "set"
    options = ("features", clips, "--format", "parquet", "-o", f"{out}/", "-j", "1")
    whole = tmp_path / "whole"
    assert run("features", clips, "--format", "parquet", "-o", f"{whole}/").exit_code == 0
    parted = (*options, "--part-files", "2")
    calls = 0

    def stop(*arguments: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OutputError("the process ends here")
        original(*arguments)

    name = "audiocnn_cli.datasets.journal._record"
    if fault == "rename":
        original: Any = LocalStorage.rename
        monkeypatch.setattr(LocalStorage, "rename", stop)
        assert run(*parted).exit_code == 3
        assert len(list(out.glob(".*.tmp"))) == 1
    elif fault == "commit":
        from audiocnn_cli.datasets import journal as dataset_journal

        original = dataset_journal._record
        monkeypatch.setattr(name, stop)
        monkeypatch.setattr(LocalStorage, "remove", lambda *_: None)  # as if it had been killed
        assert run(*parted).exit_code == 3
        assert len(list(out.glob(".*.tmp"))) == 1
    else:
        # The journal loses its last commit; the part has its name already.
        assert run(*parted).exit_code == 0
        shutil.copy(out / "part-00001.parquet", out / "part-00009.parquet")
    monkeypatch.undo()
    assert run(*parted, "--resume").exit_code == 0
    pd.testing.assert_frame_equal(read(out), read(whole))
    assert not list(out.glob(".*.tmp"))


def test_a_lost_part_is_made_again(run: Run, clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    options = ("features", clips, "--format", "parquet", "-o", f"{out}/", "--part-files", "2")
    assert run(*options).exit_code == 0
    before = read(out)
    (out / "part-00002.parquet").unlink()
    assert len(read(out)) < len(before)
    assert run(*options, "--resume").exit_code == 0
    pd.testing.assert_frame_equal(read(out), before)


@pytest.fixture
def many(tmp_path: Path) -> Iterator[Path]:
    """Links to one clip that are slow to open (tests/plugins)."""
    soundfile.write(tmp_path / "noise.wav", 0.1 * np.ones(11025), 22050)
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(60):
        os.link(tmp_path / "noise.wav", folder / f"slow-{number:02}.wav")
    yield folder


def test_readable_while_it_grows_and_whole_after_kills(many: Path, tmp_path: Path) -> None:
    """Repeated kill -9 of the run: no row is lost or duplicated."""
    out = tmp_path / "set"
    options = ("features", many, "--format", "parquet", "-o", f"{out}/", "--part-files", "4", "-q")
    resume: tuple[str, ...] = ()
    for parts in (2, 5, 9):
        process = start(*options, *resume, "-j", "2", slow_s=0.05)
        wait_for(lambda enough=parts: len(list(out.glob("*.parquet"))) >= enough)  # type: ignore[misc]  # a default
        grown = duck(out, "path, count(*)", group="GROUP BY path")
        assert {rows for _, rows in grown} == {22}
        assert len(grown) >= 4 * parts
        assert pl.scan_parquet(everything(out)).collect().height == 22 * len(
            set(pd.read_parquet(out)["path"])
        )
        time.sleep(0.013 * parts)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        resume = ("--resume",)
    code, _, err = finish(start(*options, "--resume", "-j", "2", slow_s=0))
    assert code == 0, err
    assert rows_by_path(out) == {str(path): 22 for path in many.iterdir()}
    assert states(out / JOURNAL) == {"done": 60}
    assert not list(out.glob(".*.tmp"))


def test_ctrl_c_leaves_all_that_was_done(many: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    options = ("features", many, "--format", "parquet", "-o", f"{out}/", "-q")
    process = start(*options, "-j", "2", slow_s=0.05)
    wait_for((out / JOURNAL).exists)
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    code, _, _ = finish(process)
    assert code == 130
    done = states(out / JOURNAL)["done"]
    assert 0 < done < 60
    assert len(rows_by_path(out)) == done


def test_results_go_to_other_machines(run: Run, clips: Path, tmp_path: Path) -> None:
    """`file://` is a file system that fsspec reaches, also in worker processes."""
    url = f"file://{tmp_path}/far"
    journal = tmp_path / "journal.sqlite"
    options = ("features", clips, "--format", "parquet", "-o", f"{url}/set/", "-j", "2")
    parted = (*options, "--part-files", "2", "--journal", journal, "--partition-by", "label")
    assert run(*parted).exit_code == 0
    here = tmp_path / "here"
    same = ("-o", f"{here}/", "--partition-by", "label")
    assert run("features", clips, "--format", "parquet", *same).exit_code == 0
    pd.testing.assert_frame_equal(read(tmp_path / "far" / "set"), read(here))
    soundfile.write(clips / "e.wav", 0.1 * np.ones(40000), 22050)
    assert run(*parted, "--resume").exit_code == 0
    frames = rows_by_path(tmp_path / "far" / "set")
    assert frames[str(clips / "e.wav")] == 1 + 40000 // 512
    assert len(frames) == 5
    assert run(*options).exit_code == 3  # it is there already
    files = ("features", clips, "-o", f"{url}/tensors/", "-j", "2", "--json")
    written = run(*files)
    assert written.exit_code == 0, written.stderr
    assert written.document["results"][0]["output"] == f"{url}/tensors/e.npz"
    assert len(list((tmp_path / "far" / "tensors").rglob("*.npz"))) == 5
    again = run(*files)
    assert [failure["kind"] for failure in again.document["failures"]] == ["permission"] * 5
    assert "exists already; add --force" in again.stderr
    assert run(*files, "--force").exit_code == 0
    labels = ("classify", "--model", write_good_model(tmp_path / "tiny.onnx"), clips)
    assert run(*labels, "-o", f"{url}/labels/", "-j", "2").exit_code == 0
    assert len(list((tmp_path / "far" / "labels").rglob("*.json"))) == 5


def test_what_can_not_be_written_elsewhere(run: Run, clips: Path) -> None:
    single = run("features", clips, "-o", "memory://bucket/all.parquet")
    assert single.exit_code == 2
    assert "only a folder can be a URL; end it with /" in single.stderr
    nowhere = run("features", clips, "--format", "parquet", "-o", "nosuch://bucket/set/")
    assert nowhere.exit_code == 3
    assert "nosuch://bucket/set: can't be reached" in nowhere.stderr
    resumed = run("features", clips, "-o", "memory://bucket/set/", "--resume")
    assert resumed.exit_code == 2
    assert "need a journal" in resumed.stderr


def test_a_data_set_in_the_memory_of_this_process(run: Run, clips: Path) -> None:
    import fsspec

    options = ("--format", "parquet", "-o", "memory://bucket/set/", "-j", "2")
    assert run("features", clips, *options).exit_code == 0
    with fsspec.open("memory://bucket/set/part-00001.parquet", "rb") as stream:
        assert pd.read_parquet(stream)["path"].nunique() == 5
