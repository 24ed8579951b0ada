"""`audiocnn search`: exact against scikit-learn, in any blocks; sets in all formats; bad sets."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.neighbors import NearestNeighbors

import audiocnn_cli as audiocnn
from audiocnn_cli.datasets import embedding_blocks
from audiocnn_cli.datasets.embedding_set import open_set
from audiocnn_cli.embeddings.search import Block, Match, Query, SearchOptions, search
from audiocnn_cli.errors import InputError, UsageError
from audiocnn_cli.output.terminal.progress import counted
from tests.conftest import Finished
from tests.onnx_models import CONTRACT, write_embedding
from tests.test_embed import clips, tiny, vectors

__all__ = ["clips", "tiny"]  # fixtures

Run = Callable[..., Finished]
RATE = 8000


def blocks_of(
    rows: NDArray[np.float32], recordings: Sequence[int], cuts: Sequence[int] = (), silent: Sequence[int] = ()
) -> Iterator[Block]:
    """Vectors of recordings, cut into blocks; each is a second of its recording, in order."""
    starts = np.array([list(recordings[:i]).count(each) for i, each in enumerate(recordings)], np.float64)
    quiet = np.isin(np.arange(len(rows)), silent)
    for part in np.split(np.arange(len(rows)), sorted(cuts)):
        names = [f"{number}.wav" for number in dict.fromkeys(np.array(recordings)[part].tolist())]
        yield Block(
            names=names,
            codes=np.array([names.index(f"{recordings[i]}.wav") for i in part], dtype=np.int64),
            starts_s=starts[part],
            ends_s=starts[part] + 1,
            silent=quiet[part],
            vectors=np.asfortranarray(rows[part]),
        )


def query(vector: Sequence[float] | NDArray[Any], path: str = "query.wav") -> Query:
    return Query(path=path, start_s=0.0, end_s=1.0, vector=np.asarray(vector, dtype=np.float64))


def brute_force(
    rows: NDArray[np.float32], recordings: Sequence[int], vector: NDArray[np.float64]
) -> list[Match]:
    """All matches by scikit-learn's similarity, in order."""
    found = cosine_similarity(rows.astype(np.float64), vector[None])[:, 0]
    (whole,) = blocks_of(rows, recordings)
    matches = [
        Match(whole.names[code], start, start + 1, similarity)
        for code, start, similarity in zip(whole.codes, whole.starts_s, found, strict=True)
    ]
    return sorted(matches, key=lambda match: match.rank)


numbers = st.floats(-4, 4, width=32).map(lambda x: float(np.float32(round(x * 4) / 4)))


@st.composite
def sets(draw: st.DrawFn) -> tuple[NDArray[np.float32], list[int], list[int], NDArray[np.float64]]:
    """Vectors with many equal ones, their recordings, where blocks are cut, and a query."""
    count, dimensions = draw(st.integers(1, 40)), draw(st.integers(1, 6))
    rows = draw(arrays(np.float32, (count, dimensions), elements=numbers))
    recordings = sorted(draw(st.lists(st.integers(0, 8), min_size=count, max_size=count)))
    cuts = draw(st.lists(st.integers(0, count), max_size=6))
    vector = draw(arrays(np.float64, (dimensions,), elements=numbers))
    return rows, recordings, cuts, vector


@settings(deadline=None)
@given(sets(), st.integers(1, 12), st.booleans(), st.sampled_from([None, -0.5, 0.0, 0.7, 1.0]))
def test_blocks_change_nothing_and_it_is_exact(
    drawn: tuple[NDArray[np.float32], list[int], list[int], NDArray[np.float64]],
    top: int,
    one_each: bool,
    threshold: float | None,
) -> None:
    rows, recordings, cuts, vector = drawn
    options = SearchOptions(top=top, threshold=threshold, one_per_recording=one_each)
    (whole,) = search(blocks_of(rows, recordings), [query(vector)], options)
    (found,) = search(blocks_of(rows, recordings, cuts), [query(vector)], options)
    assert found == whole
    # Ties by the exact similarity of this implementation; scikit-learn's differ in the last bits.
    (everything,) = search(blocks_of(rows, recordings), [query(vector)], SearchOptions(top=len(rows)))
    expected = list(everything)
    if one_each:
        firsts: dict[str, Match] = {}
        for match in expected:
            firsts.setdefault(match.path, match)
        expected = list(firsts.values())
    expected = [match for match in expected if threshold is None or match.similarity >= threshold][:top]
    assert list(whole) == expected
    oracle = {(each.path, each.start_s): each.similarity for each in brute_force(rows, recordings, vector)}
    assert len(everything) == len(oracle)
    for match in everything:
        assert match.similarity == pytest.approx(oracle[match.path, match.start_s], abs=1e-12)
    assert list(everything) == sorted(everything, key=lambda match: match.rank)


@pytest.mark.parametrize("dimensions", [3, 96, 1792])
def test_the_neighbours_are_those_of_scikit_learn(dimensions: int) -> None:
    random = np.random.default_rng(0)
    # Close together, as embeddings are, so that float32 alone would confuse some.
    rows = (5 + random.standard_normal((3000, dimensions)) * 0.01).astype(np.float32)
    queried = 5 + random.standard_normal((70, dimensions)) * 0.01
    recordings = np.repeat(np.arange(300), 10).tolist()
    found = search(
        blocks_of(rows, recordings, cuts=[100, 101, 2500]),
        [query(each) for each in queried],
        SearchOptions(top=7),
    )
    neighbours = NearestNeighbors(n_neighbors=7, metric="cosine", algorithm="brute").fit(
        rows.astype(np.float64)
    )
    distances, indices = neighbours.kneighbors(queried)
    (whole,) = blocks_of(rows, recordings)
    for matches, distance, index in zip(found, distances, indices, strict=True):
        assert [(m.path, m.start_s) for m in matches] == [
            (whole.names[whole.codes[i]], whole.starts_s[i]) for i in index
        ]
        np.testing.assert_allclose([m.similarity for m in matches], 1 - distance, atol=1e-12)


@pytest.mark.parametrize("scale", [1e-30, 1e-10, 1.0, 1e15])
def test_lengths_do_not_matter(scale: float) -> None:
    rows = np.random.default_rng(0).standard_normal((50, 8)).astype(np.float32)
    recordings = list(range(50))
    (plain,) = search(blocks_of(rows, recordings), [query(rows[7])])
    scaled = (rows * np.float32(scale)).astype(np.float32)
    (found,) = search(blocks_of(scaled, recordings), [query(rows[7] * 1e-20)])
    assert [m.path for m in found] == [m.path for m in plain]
    assert found[0].path == "7.wav"
    assert found[0].similarity == pytest.approx(1.0, abs=1e-7)


def test_zeros_are_similar_to_nothing_as_in_scikit_learn() -> None:
    rows = np.array([[0, 0], [1, 1], [-1, -1]], dtype=np.float32)
    (found,) = search(blocks_of(rows, [0, 1, 2]), [query([1, 0])])
    expected = cosine_similarity(rows, [[1.0, 0.0]])[:, 0]
    assert [m.path for m in found] == ["1.wav", "0.wav", "2.wav"]
    np.testing.assert_allclose([m.similarity for m in found], expected[[1, 0, 2]], rtol=1e-7)
    (none,) = search(blocks_of(rows, [0, 1, 2]), [query([0, 0])])
    assert [m.similarity for m in none] == [0, 0, 0]


def test_equal_matches_are_in_the_order_of_path_and_time() -> None:
    rows = np.ones((5000, 3), dtype=np.float32)
    recordings = np.repeat([3, 1, 2], [2000, 1500, 1500]).tolist()
    expected = [("1.wav", float(second)) for second in range(4)]
    for cuts in ([], [10, 1999, 2000, 4999]):
        (found,) = search(blocks_of(rows, recordings, cuts), [query([1, 2, 3])], SearchOptions(top=4))
        assert [(m.path, m.start_s) for m in found] == expected
        assert len({m.similarity for m in found}) == 1


def test_silence_and_the_query_itself_are_left_out() -> None:
    rows = np.eye(4, dtype=np.float32) + np.float32(0.5)
    recordings = [0, 1, 1, 2]
    queried = [query(rows[1], path="1.wav"), query(rows[3], path="./other/2.wav")]
    found = search(blocks_of(rows, recordings, silent=[0]), queried)
    assert [m.path for m in found[0]] == ["1.wav", "1.wav", "2.wav"]
    others = search(blocks_of(rows, recordings, silent=[0]), queried, SearchOptions(exclude_self=True))
    assert [m.path for m in others[0]] == ["2.wav"]
    assert others[1][0].path == "2.wav"  # of the same name in another folder
    (by_absolute,) = search(
        blocks_of(rows, recordings),
        [query(rows[1], path=str(Path.cwd() / "1.wav"))],
        SearchOptions(exclude_self=True),
    )
    assert {m.path for m in by_absolute} == {"0.wav", "2.wav"}
    assert search(blocks_of(rows, recordings, silent=[0, 1, 2, 3]), queried[:1]) == [()]


@pytest.mark.parametrize("options", [{"top": 0}, {"threshold": 1.5}, {"threshold": float("nan")}])
def test_options_out_of_range(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(options))):
        SearchOptions(**options)


# Sets of all formats.


@pytest.fixture
def made(run: Run, tiny: Path, clips: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Write the vectors of the clips to a data set or file of that name."""

    def _made(name: str) -> Path:
        finished = run("embed", clips, "--model", tiny, "--overlap", "0.5", "-o", f"{tmp_path}/{name}")
        assert finished.exit_code == 0, finished.stderr
        return tmp_path / name

    return _made


FORMATS = ("set/", "v.parquet", "v.npz", "v.csv", "v.jsonl")


def test_all_formats_give_the_same_matches(
    run: Run, tiny: Path, clips: Path, made: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {}
    # Some vectors a block: every reader goes over several blocks.
    monkeypatch.setattr(embedding_blocks, "_BLOCK_BYTES", 16)
    monkeypatch.setattr(embedding_blocks, "_FEWEST_ROWS", 3)
    for name in FORMATS:
        location = made(name)
        sizes = [len(block.codes) for block in open_set(str(location)).blocks()]
        assert sum(sizes) == 18
        assert len(sizes) > 2
        finished = run("search", clips, "--in", location, "--model", tiny, "--json")
        assert finished.exit_code == 0, finished.stderr
        found[name] = finished.document
    first, *others = found.values()
    assert first["failures"] == []
    assert [result["query"] for result in first["results"]] == [
        str(clips / name) for name in ("a/one.wav", "b/two.wav", "three.wav")
    ]
    for result in first["results"]:
        assert len(result["matches"]) == 10
        assert list(result["matches"][0]) == ["path", "start_s", "end_s", "similarity"]
        assert result["model"] == "tiny"
    assert all(other == first for other in others)


def test_the_mean_of_a_long_query_and_each_segment(
    run: Run, tiny: Path, clips: Path, made: Callable[[str], Path]
) -> None:
    location, path = made("set/"), clips / "three.wav"
    (embedded,) = run("embed", path, "--model", tiny, "--json").document["results"]
    units = vectors(embedded) / np.linalg.norm(vectors(embedded), axis=1, keepdims=True)
    table = pd.read_parquet(location)
    rows = table[[f"e_{i}" for i in range(4)]].to_numpy()
    options = ("--in", location, "--model", tiny, "--top", "3", "--json")
    (mean,) = run("search", path, *options).document["results"]
    expected = np.sort(cosine_similarity(rows, units.mean(axis=0)[None])[:, 0])[::-1][:3]
    np.testing.assert_allclose([m["similarity"] for m in mean["matches"]], expected, rtol=1e-6)
    assert (mean["start_s"], mean["end_s"]) == (0.0, 2.5)
    each = run("search", path, *options, "--each-segment").document["results"]
    assert [(q["start_s"], q["end_s"]) for q in each] == [(s / 2, s / 2 + 0.5) for s in range(5)]
    for result, unit in zip(each, units, strict=True):
        best = result["matches"][0]
        assert best["similarity"] == pytest.approx(1.0)
        assert (best["path"], best["start_s"]) == (str(path), result["start_s"])
        expected = np.sort(cosine_similarity(rows, unit[None])[:, 0])[::-1][:3]
        np.testing.assert_allclose([m["similarity"] for m in result["matches"]], expected, rtol=1e-6)
    part = run("search", path, *options, "--offset", "1", "--duration", "0.5").document["results"][0]
    assert part["matches"] == each[2]["matches"]
    assert (part["start_s"], part["end_s"]) == (1.0, 1.5)


def test_a_pooled_set_takes_pooled_queries(run: Run, tiny: Path, clips: Path, tmp_path: Path) -> None:
    location = f"{tmp_path}/set/"
    assert run("embed", clips, "--model", tiny, "--pool", "mean", "-o", location).exit_code == 0
    found = run("search", clips, "--in", location, "--model", tiny, "--json").document["results"]
    for result in found:
        assert len(result["matches"]) == 3
        assert result["matches"][0]["path"] == result["query"]
        assert result["matches"][0]["similarity"] == pytest.approx(1.0, abs=1e-12)


def test_options_of_the_command(run: Run, tiny: Path, clips: Path, made: Callable[[str], Path]) -> None:
    location, path = made("set/"), clips / "three.wav"

    def matches(*options: str) -> list[dict[str, Any]]:
        finished = run("search", path, "--in", location, "--model", tiny, "--json", *options)
        assert finished.exit_code == 0, finished.stderr
        found: list[dict[str, Any]] = finished.document["results"][0]["matches"]
        return found

    everything = matches("--top", "100")
    assert len(everything) == 18
    assert matches("--top", "4") == everything[:4]
    middle = everything[8]["similarity"]
    assert matches("--top", "100", "--threshold", repr(middle)) == everything[:9]
    assert matches("--threshold", "1") == []
    assert {m["path"] for m in matches("--top", "100", "--exclude-self")} == {
        str(clips / "a/one.wav"), str(clips / "b/two.wav")
    }  # fmt: skip
    one_each = matches("--one-per-recording")
    assert sorted(m["path"] for m in one_each) == sorted(map(str, clips.rglob("*.wav")))
    assert one_each == [next(m for m in everything if m["path"] == each["path"]) for each in one_each]
    for wrong in (("--top", "0"), ("--threshold", "2"), ("--offset", "-1")):
        finished = run("search", path, "--in", location, "--model", tiny, *wrong)
        assert finished.exit_code == 2, finished.stderr
        assert wrong[0] in finished.stderr


def test_formats_of_the_result(
    run: Run, tiny: Path, clips: Path, made: Callable[[str], Path], tmp_path: Path
) -> None:
    location = made("v.npz")
    options = ("search", clips, tmp_path / "no.wav", "--in", location, "--model", tiny, "--top", "2")
    document = run(*options, "--json")
    assert document.exit_code == 1
    assert [failure["kind"] for failure in document.document["failures"]] == ["not_found"]
    lines = [json.loads(line) for line in run(*options, "--jsonl").stdout.splitlines()]
    assert lines[:3] == document.document["results"]
    assert lines[3]["error"]["kind"] == "not_found"
    run(*options, "-o", tmp_path / "found.csv")
    table = pd.read_csv(tmp_path / "found.csv")
    assert list(table.columns) == [
        "query", "query_start_s", "query_end_s", "rank", "path", "start_s", "end_s", "similarity"
    ]  # fmt: skip
    assert table["rank"].tolist() == [1, 2] * 3
    expected = [m["similarity"] for result in lines[:3] for m in result["matches"]]
    np.testing.assert_allclose(table["similarity"], expected, atol=1e-6)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_table_fits(
    width: int,
    run: Run,
    tiny: Path,
    clips: Path,
    made: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    location = made("set/")
    monkeypatch.setenv("COLUMNS", str(width))
    text = run("search", clips, "--in", location, "--model", tiny, "--top", "2").stdout
    assert max(map(len, text.splitlines())) <= width
    assert text.count("similarity") == 3
    assert len([line for line in text.splitlines() if " s" in line and ".wav" in line]) >= 6
    none = run(
        "search", clips, "--in", location, "--model", tiny, "--threshold", "1", "--exclude-self"
    ).stdout
    assert none.count("no match") == 3


def test_silent_queries_and_bad_ones(
    run: Run, tiny: Path, clips: Path, made: Callable[[str], Path], tmp_path: Path
) -> None:
    location = made("set/")
    soundfile.write(tmp_path / "silence.wav", np.zeros(9000), RATE)
    samples = 0.1 * np.ones(8000, dtype=np.float32)
    samples[4000] = np.nan
    soundfile.write(tmp_path / "nan.wav", samples, RATE, subtype="FLOAT")
    bad = [tmp_path / "silence.wav", tmp_path / "nan.wav", tmp_path / "missing.wav"]
    options = ("--in", location, "--model", tiny)
    finished = run("search", *bad, clips / "three.wav", *options, "--json")
    assert finished.exit_code == 1
    kinds = [failure["kind"] for failure in finished.document["failures"]]
    assert kinds == ["empty", "non_finite", "not_found"]
    assert "silence.wav: is silence, which nothing is similar to" in finished.stderr
    assert len(finished.document["results"]) == 1
    assert run("search", *bad, *options).exit_code == 3
    assert run("search", "--in", location).exit_code == 2
    assert run("search", bad[0]).exit_code == 2


def test_sets_that_are_none(run: Run, tiny: Path, clips: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("no vectors")
    features = tmp_path / "features"
    assert run("features", clips, "--format", "parquet", "-o", f"{features}/").exit_code == 0
    assert run("features", clips, "-o", tmp_path / "features.npz").exit_code == 0
    (tmp_path / "labels.csv").write_text("path,label\na.wav,dog\n")
    (tmp_path / "lines.jsonl").write_text('{"path": "a.wav", "label": "dog"}\n')
    (tmp_path / "nothing.jsonl").write_text("")
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 and no more")
    for name, code, message in (
        ("nosuch", 3, "no such set of embeddings; `audiocnn embed` writes one"),
        ("empty", 3, "holds no embeddings"),
        ("text.txt", 2, "give a folder, or a file of .parquet, .npz, .csv, .jsonl"),
        ("features", 3, "is no set of embeddings: it has no column start_s"),
        ("features.npz", 3, "it holds no embeddings"),
        ("labels.csv", 3, "is no set of embeddings: it has no column start_s"),
        ("lines.jsonl", 3, "it holds no embeddings"),
        ("nothing.jsonl", 3, "it holds no embeddings"),
        ("cut.parquet", 3, "can't be read as a set of embeddings"),
    ):
        finished = run("search", clips, "--in", tmp_path / name, "--model", tiny)
        assert (finished.exit_code, finished.stderr.count("\n")) == (code, 1), finished.stderr
        assert message in finished.stderr
        assert finished.stdout == ""


def test_damaged_sets(run: Run, tiny: Path, clips: Path, made: Callable[[str], Path], tmp_path: Path) -> None:
    def refused(location: Path, message: str) -> None:
        finished = run("search", clips, "--in", location, "--model", tiny)
        assert (finished.exit_code, finished.stderr.count("\n")) == (3, 1), finished.stderr
        assert message in finished.stderr
        assert finished.stdout == ""

    table = pq.read_table(made("v.parquet"))
    numbers = table["e_1"].to_numpy().copy()
    numbers[5] = np.nan
    index = table.column_names.index("e_1")
    pq.write_table(table.set_column(index, "e_1", pa.array(numbers)), tmp_path / "nan.parquet")
    refused(tmp_path / "nan.parquet", "it holds numbers that are not finite")
    pq.write_table(table.drop_columns(["e_1"]), tmp_path / "gap.parquet")
    refused(tmp_path / "gap.parquet", "it has no column e_1")
    others = made("set/")
    pq.write_table(table.drop_columns(["e_3"]), others / "part-00002.parquet")
    refused(others, "part-00002.parquet has 3 dimensions, others 4")
    hashes = pa.array(["0" * 64] * len(table))
    index = table.column_names.index("model_sha256")
    mixed = pa.concat_tables([table, table.set_column(index, "model_sha256", hashes)])
    pq.write_table(mixed, tmp_path / "mixed.parquet")
    refused(tmp_path / "mixed.parquet", "holds vectors of tiny and of another model, which can't be compared")

    lines = made("v.csv").read_text().splitlines()
    for name, line, message in (
        ("short", lines[3].rpartition(",")[0], "row 4 has 10 values, not 11"),
        ("words", lines[3].replace(lines[3].split(",")[5], "loud"), "could not convert string to float"),
        ("nan", lines[3].replace(lines[3].split(",")[5], "nan"), "numbers that are not finite"),
        ("model", lines[3][:-64] + "0" * 64, "holds vectors of tiny and of another model"),
    ):
        (tmp_path / f"{name}.csv").write_text("\n".join([*lines[:3], line, *lines[4:]]) + "\n")
        refused(tmp_path / f"{name}.csv", message)
    documents = [json.loads(line) for line in made("v.jsonl").read_text().splitlines()]
    documents[1]["segments"][0]["embedding"].pop()
    (tmp_path / "short.jsonl").write_text("\n".join(map(json.dumps, documents)))
    refused(tmp_path / "short.jsonl", "not all vectors have 4 numbers")
    (tmp_path / "cut.jsonl").write_text(json.dumps(documents[0]) + "\n" + json.dumps(documents[1])[:-9])
    refused(tmp_path / "cut.jsonl", "line 2: ")
    content = made("v.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(content[: len(content) // 2])
    refused(tmp_path / "cut.npz", "can't be read as a set of embeddings")


def test_the_model_of_a_set(
    run: Run, tiny: Path, clips: Path, made: Callable[[str], Path], tmp_path: Path
) -> None:
    location, path = made("set/"), clips / "three.wav"
    missing = run("search", path, "--in", location)
    assert missing.exit_code == 4
    assert "was made with the model tiny, which is not installed; give its file as --model" in missing.stderr
    other = write_embedding(tmp_path / "other.onnx", replace(CONTRACT, name="other"), seed=3)
    refused = run("search", path, "--in", location, "--model", other)
    assert refused.exit_code == 4
    assert "was made with the model tiny (SHA-256 " in refused.stderr
    assert "not with other" in refused.stderr
    assert run("search", path, "--in", location, "--model", tmp_path / "nosuch.onnx").exit_code == 4
    # Installed under its name, it is found by it.
    shutil.copy(tiny, tmp_path / "same.onnx")
    assert run("models", "add", tmp_path / "same.onnx").exit_code == 0
    installed = run("embed", clips, "--model", "tiny", "-o", f"{tmp_path}/named/")
    assert installed.exit_code == 0, installed.stderr
    assert run("search", path, "--in", tmp_path / "named").exit_code == 0
    assert run("models", "remove", "tiny").exit_code == 0
    changed = write_embedding(tmp_path / "changed.onnx", seed=9)
    assert run("models", "add", changed).exit_code == 0
    version = run("search", path, "--in", tmp_path / "named")
    assert version.exit_code == 4
    assert "was made with another version of the model tiny" in version.stderr


def test_sets_of_others(
    run: Run, tiny: Path, clips: Path, made: Callable[[str], Path], tmp_path: Path
) -> None:
    """A table that another tool has written has no metadata, and perhaps only the columns that are needed."""
    table = pd.read_csv(made("v.csv"))
    plain = table.drop(columns=["segment", "silent", "model", "model_sha256"])
    plain.to_csv(tmp_path / "plain.csv", index=False)
    pq.write_table(pa.Table.from_pandas(plain), tmp_path / "plain.parquet")
    table.to_parquet(tmp_path / "columns.parquet")
    expected = run("search", clips, "--in", made("set/"), "--model", tiny, "--json").document["results"]
    for name in ("plain.csv", "plain.parquet", "columns.parquet"):
        found = run("search", clips, "--in", tmp_path / name, "--model", tiny, "--json")
        assert found.exit_code == 0, found.stderr
        for result, same in zip(found.document["results"], expected, strict=True):
            assert [m["path"] for m in result["matches"]] == [m["path"] for m in same["matches"]]
            np.testing.assert_allclose(
                [m["similarity"] for m in result["matches"]],
                [m["similarity"] for m in same["matches"]],
                rtol=1e-9,
            )
    unknown = run("search", clips, "--in", tmp_path / "plain.csv")
    assert unknown.exit_code == 2
    assert "does not record the model of its vectors; give it as --model" in unknown.stderr
    wide = write_embedding(tmp_path / "wide.onnx", dimensions=7)
    wrong = run("search", clips, "--in", tmp_path / "plain.csv", "--model", wide)
    assert wrong.exit_code == 2
    assert "its vectors have 4 dimensions, those of --model 7" in wrong.stderr


def test_progress_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    seconds = iter([0.0, 0.05, 0.2, 0.2, 0.25, 0.4, 0.4])
    blocks = [[1] * 1000, [1] * 500, [1], [1] * 9]
    shown = counted(blocks, len, "vectors compared", on_terminal=True, clock=lambda: next(seconds))
    assert list(shown) == blocks
    lines = capsys.readouterr().err.split("\r\x1b[K")
    assert lines == ["", "1,500 vectors compared", "1,510 vectors compared", ""]
    assert list(counted(blocks, len, "vectors", on_terminal=False)) == blocks
    assert capsys.readouterr().err == ""


def test_search_in_python(run: Run, tiny: Path, clips: Path, made: Callable[[str], Path]) -> None:
    location, path = made("set/"), clips / "three.wav"
    options = ("--in", location, "--model", tiny, "--top", "3", "--json")
    (result,) = run("search", path, *options).document["results"]
    found = audiocnn.search(path, location, model=tiny, top=3)
    assert [(m.path, m.start_s, m.end_s, m.similarity) for m in found] == [
        tuple(m.values()) for m in result["matches"]
    ]
    samples, _ = soundfile.read(path, dtype="float32")
    assert audiocnn.search(samples, location, sample_rate=RATE, model=tiny, top=3) == found
    assert all(m.path != str(path) for m in audiocnn.search(path, location, model=tiny, exclude_self=True))
    with pytest.raises(audiocnn.AudiocnnError, match="`threshold` must be -1 to 1, not 2"):
        audiocnn.search(path, location, model=tiny, threshold=2.0)
    with pytest.raises(audiocnn.AudiocnnError, match="not installed; give its file as `model`"):
        audiocnn.search(path, location)
    with pytest.raises(audiocnn.AudiocnnError, match="is silence"):
        audiocnn.search(np.zeros(9000), location, sample_rate=RATE, model=tiny)
    with pytest.raises(InputError, match="no such set"):
        audiocnn.search(path, clips / "nosuch")
