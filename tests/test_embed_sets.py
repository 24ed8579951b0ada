"""Data sets of vectors: parts, resuming, array jobs, partitions, a cluster."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest
import soundfile

from audiocnn_cli.datasets.dataset import GROUP_BYTES
from audiocnn_cli.datasets.embedding_rows import info_in_metadata
from audiocnn_cli.embeddings.clip import file_sha256
from tests.conftest import Finished
from tests.onnx_models import write_embedding
from tests.test_cluster import address, dask
from tests.test_embed import clips, numbers, tiny, vectors

__all__ = ["address", "clips", "dask", "tiny"]  # fixtures

Run = Callable[..., Finished]
RATE = 8000


def rows(folder: Path) -> pd.DataFrame:
    """All rows, in the order of path and segment."""
    return pd.read_parquet(folder).sort_values(["path", "segment"], ignore_index=True)


def test_other_tools_read_a_set(run: Run, tiny: Path, clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    finished = run("embed", clips, "--model", tiny, "-o", f"{out}/", "--part-files", "2", "--json")
    assert finished.exit_code == 0, finished.stderr
    for result in finished.document["results"]:
        assert result["output"] == f"{out}/"
        assert [sorted(segment) for segment in result["segments"]] == [["end_s", "silent", "start_s"]] * len(
            result["segments"]
        )
    files = sorted(out.glob("*.parquet"))
    assert len(files) == 2
    for file in files:
        schema = pq.read_schema(file)
        info = info_in_metadata(schema.metadata)
        assert info is not None
        assert (info.model, info.model_sha256, info.dimensions) == ("tiny", file_sha256(tiny), 4)
        assert (info.segment_s, info.hop_s, info.pool) == (0.5, 0.5, None)
    table = rows(out)
    assert len(table) == 11
    found = duckdb.sql(f"SELECT count(*), count(DISTINCT path) FROM '{out}/*.parquet'").fetchall()  # noqa: S608
    assert found == [(11, 3)]
    assert pl.scan_parquet(f"{out}/*.parquet").collect().height == 11


def test_resuming(run: Run, tiny: Path, clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    options = ("--model", tiny, "-o", f"{out}/")
    (clips / "broken.wav").write_bytes(b"no audio")
    assert run("embed", clips, *options, "--failures", tmp_path / "failed.jsonl").exit_code == 1
    first = rows(out)
    soundfile.write(clips / "broken.wav", 0.1 * np.ones(4000), RATE)
    changed = clips / "three.wav"
    soundfile.write(changed, 0.1 * np.random.default_rng(5).standard_normal(4000), RATE)
    (clips / "a" / "one.wav").unlink()
    finished = run("embed", clips, *options, "--resume", "--json")
    assert finished.exit_code == 0, finished.stderr
    table = rows(out)
    counts = table.groupby("path").size().to_dict()
    assert counts == {
        str(clips / "a" / "one.wav"): 2,  # no longer an input: its rows stay
        str(clips / "b" / "two.wav"): 4,
        str(clips / "broken.wav"): 1,
        str(changed): 1,
    }
    kept = table[table["path"] == str(clips / "b" / "two.wav")]
    before = first[first["path"] == str(clips / "b" / "two.wav")]
    np.testing.assert_array_equal(numbers(kept), numbers(before))
    retried = run("embed", "--retry-failures", tmp_path / "failed.jsonl", "--model", tiny, "--json")
    assert [result["path"] for result in retried.document["results"]] == [str(clips / "broken.wav")]


def test_jobs_of_an_array_write_one_set(run: Run, tiny: Path, clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    whole = tmp_path / "whole"
    options = ("embed", clips, "--model", tiny)
    assert run(*options, "-o", f"{whole}/").exit_code == 0
    for part in ("1/2", "2/2"):
        assert run(*options, "-o", f"{out}/", "--shard", part, "-q").exit_code in (0, 3)
    pd.testing.assert_frame_equal(rows(out), rows(whole))
    merged = run("merge", out, "--json")
    assert merged.exit_code == 0, merged.stderr
    assert {result["path"]: len(result["segments"]) for result in merged.document["results"]} == {
        path: int(count) for path, count in rows(whole).groupby("path").size().items()
    }
    refused = run("merge", out, "--csv")
    assert refused.exit_code == 2
    assert "the vectors are in the data set" in refused.stderr
    other = write_embedding(tmp_path / "other.onnx", seed=5)
    mixed = run("embed", clips, "--model", other, "-o", f"{out}/", "--shard", "2/2")
    assert mixed.exit_code == 4
    assert "was made with the model tiny" in mixed.stderr


def test_journals_hold_vectors_where_no_set_does(run: Run, tiny: Path, clips: Path, tmp_path: Path) -> None:
    options = ("embed", clips, "--model", tiny, "--overlap", "0.5")
    whole = run(*options, "--csv").stdout.splitlines()
    for part in ("1/2", "2/2"):
        finished = run(*options, "--shard", part, "--journal", tmp_path / f"{part[0]}.sqlite", "--csv")
        assert finished.exit_code in (0, 3)
    merged = run("merge", tmp_path / "1.sqlite", tmp_path / "2.sqlite", "--csv")
    assert merged.exit_code == 0, merged.stderr
    assert sorted(merged.stdout.splitlines()) == sorted(whole)
    # A run that is resumed recalls the vectors.
    npz = tmp_path / "all.npz"
    journal = ("--journal", tmp_path / "all.sqlite")
    assert run(*options, *journal, "-q").exit_code == 0
    recalled = run(*options, *journal, "--resume", "-o", npz, "--log-json")
    assert recalled.exit_code == 0, recalled.stderr
    assert json.loads(recalled.stderr.splitlines()[-1])["recalled"] == 3
    with np.load(npz) as arrays:
        assert len(arrays["data"]) == len(whole) - 1


def test_partitions(run: Run, tiny: Path, clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    options = ("--partition-by", "label", "-o", f"{out}/")
    assert run("embed", clips, "--model", tiny, *options).exit_code == 0
    table = pd.read_parquet(out)
    assert table.groupby("label", observed=True)["path"].nunique().to_dict() == {"a": 1, "b": 1, "none": 1}
    found = run("search", clips / "a" / "one.wav", "--in", out, "--model", tiny, "--top", "1", "--json")
    assert found.document["results"][0]["matches"][0]["path"].endswith("a/one.wav")


def test_a_set_of_many_rows_has_groups_of_bounded_size(tmp_path: Path, run: Run) -> None:
    wide = write_embedding(tmp_path / "wide.onnx", dimensions=512)
    noise = 0.1 * np.random.default_rng(0).standard_normal(60 * RATE)
    soundfile.write(tmp_path / "long.wav", noise, RATE)
    out = tmp_path / "set"
    options = ("--model", wide, "--overlap", "0.98", "-o")
    assert run("embed", tmp_path / "long.wav", *options, f"{out}/").exit_code == 0
    assert run("embed", tmp_path / "long.wav", *options, tmp_path / "one.parquet").exit_code == 0
    for file in (*out.glob("*.parquet"), tmp_path / "one.parquet"):
        metadata = pq.ParquetFile(file).metadata
        assert metadata.num_rows == 5951
        column = metadata.row_group(0).column(4)
        assert column.path_in_schema == "e_0"
        assert "RLE_DICTIONARY" not in column.encodings
    metadata = pq.ParquetFile(next(out.glob("*.parquet"))).metadata
    assert metadata.num_row_groups == 2
    assert metadata.row_group(0).num_rows * 4 * 512 <= GROUP_BYTES


@pytest.mark.slow
def test_a_cluster_gives_the_same_set(
    run: Run, tiny: Path, clips: Path, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    here, there = tmp_path / "here", tmp_path / "there"
    assert run("embed", clips, "--model", tiny, "-o", f"{here}/").exit_code == 0
    finished = run("embed", clips, "--model", "tiny.onnx", "-o", "there/", "--cluster", address)
    assert finished.exit_code == 0, finished.stderr
    pd.testing.assert_frame_equal(rows(there), rows(here))
    backbone = run("embed", clips, "--cluster", address, "--json")
    assert backbone.exit_code == 0, backbone.stderr


def test_sets_on_other_machines(run: Run, tiny: Path, clips: Path, tmp_path: Path) -> None:
    """`file://` is a file system that fsspec reaches."""
    url = f"file://{tmp_path}/far/set/"
    assert run("embed", clips, "--model", tiny, "-o", url).exit_code == 0
    again = run("embed", clips, "--model", tiny, "-o", url)
    assert again.exit_code == 3
    assert "holds a data set already" in again.stderr
    query = clips / "b" / "two.wav"
    far = run("search", query, "--in", url, "--model", tiny, "--json")
    near = run("search", query, "--in", tmp_path / "far" / "set", "--model", tiny, "--json")
    assert far.document["results"] == near.document["results"]
    assert len(far.document["results"][0]["matches"]) == 10
    nothing = run("search", query, "--in", f"file://{tmp_path}/nowhere/", "--model", tiny)
    assert nothing.exit_code == 3
    assert "holds no embeddings" in nothing.stderr


def test_names_that_are_no_text(run: Run, tiny: Path, tmp_path: Path) -> None:
    hostile = os.fsencode(tmp_path) + b"/caf\xe9 \n.wav"
    samples = 0.1 * np.random.default_rng(0).standard_normal(4000)
    soundfile.write(tmp_path / "plain.wav", samples, RATE, subtype="FLOAT")
    os.rename(tmp_path / "plain.wav", hostile)  # noqa: PTH104 (bytes)
    for name in ("set/", "v.npz", "v.csv", "v.jsonl", "v.parquet"):
        out = f"{tmp_path}/{name}"
        written = run("embed", os.fsdecode(hostile), "--model", tiny, "-o", out)
        assert written.exit_code == 0, written.stderr
        found = run("search", os.fsdecode(hostile), "--in", out, "--model", tiny, "--json")
        assert found.exit_code == 0, found.stderr
        ((match,),) = [result["matches"] for result in found.document["results"]]
        assert match["similarity"] == pytest.approx(1.0)
        assert Path(match["path"]).name.startswith("caf")


def test_lines_as_they_are_ready(run: Run, tiny: Path, clips: Path) -> None:
    lines = run("embed", clips, "--model", tiny, "--jsonl", "-j", "2").stdout.splitlines()
    documents = {json.loads(line)["path"]: json.loads(line) for line in lines}
    whole = run("embed", clips, "--model", tiny, "--json", "-j", "1").document["results"]
    assert documents == {result["path"]: result for result in whole}
    assert all(vectors(result).shape[1] == 4 for result in whole)
