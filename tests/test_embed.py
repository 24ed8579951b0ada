"""`audiocnn embed` and `audiocnn.embed`: vectors, formats, the choice of the model, bad input."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pandas as pd
import pytest
import soundfile
from numpy.typing import NDArray

import audiocnn_cli as audiocnn
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.embeddings.clip import embed, file_sha256
from audiocnn_cli.embeddings.work import EmbeddingCodec, opened
from audiocnn_cli.models.registry import find_model
from tests.conftest import Finished
from tests.onnx_models import (
    CONTRACT,
    FEATURES,
    SEGMENT,
    by_slope,
    embedding_matrix,
    write_embedding,
    write_model,
)

Run = Callable[..., Finished]
RATE = 8000


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A model of 4 dimensions, a random projection of the MFCC of half a second."""
    return write_embedding(tmp_path / "tiny.onnx")


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Three recordings of different lengths at the rate of the model, two of them in folders."""
    rng = np.random.default_rng(0)
    for name, count in (("a/one.wav", 8000), ("b/two.wav", 14000), ("three.wav", 20000)):
        path = tmp_path / "clips" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * rng.standard_normal(count), RATE, subtype="FLOAT")
    return tmp_path / "clips"


def expected_vectors(path: Path, starts: list[int]) -> NDArray[np.float32]:
    """What the model gives, from librosa's MFCC and the matrix of the graph."""
    samples, rate = soundfile.read(path, dtype="float32")
    assert rate == RATE
    rows = []
    for start in starts:
        mfcc = librosa.feature.mfcc(
            y=samples[start : start + SEGMENT.length],
            sr=RATE,
            n_fft=FEATURES.n_fft,
            hop_length=FEATURES.hop_length,
            n_mels=FEATURES.n_mels,
            n_mfcc=FEATURES.n_mfcc,
        )
        rows.append(mfcc.T.ravel() @ embedding_matrix(CONTRACT, dimensions=4, seed=2))
    return np.array(rows, dtype=np.float32)


def vectors(result: dict[str, Any]) -> NDArray[np.float64]:
    """The vectors in a JSON result."""
    return np.array([segment["embedding"] for segment in result["segments"]])


def numbers(table: Any) -> NDArray[np.float32]:
    """The columns e_0, e_1, ... of a table."""
    return np.asarray(table[[f"e_{i}" for i in range(4)]], dtype=np.float32)


def test_the_vectors_are_those_of_librosa_and_the_matrix(run: Run, tiny: Path, clips: Path) -> None:
    finished = run("embed", clips / "b" / "two.wav", "--model", tiny, "--json")
    assert finished.exit_code == 0, finished.stderr
    (result,) = finished.document["results"]
    assert finished.document["failures"] == []
    assert (result["model"], result["dimensions"], result["model_sha256"]) == ("tiny", 4, file_sha256(tiny))
    # Three whole segments; the last half ends with the clip.
    starts = [0, 4000, 8000, 10000]
    found = [(segment["start_s"], segment["end_s"]) for segment in result["segments"]]
    assert found == [(start / RATE, (start + 4000) / RATE) for start in starts]
    expected = expected_vectors(clips / "b" / "two.wav", starts)
    np.testing.assert_allclose(vectors(result), expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())
    assert (result["segment_s"], result["hop_s"], result["pool"]) == (0.5, 0.5, None)


def test_all_formats_hold_the_same_vectors(run: Run, tiny: Path, clips: Path, tmp_path: Path) -> None:
    model = ("--model", tiny)
    document = run("embed", clips, *model, "--json").document["results"]
    exact = np.concatenate([vectors(result) for result in document]).astype(np.float32)
    assert len(exact) == 2 + 4 + 5
    paths = [result["path"] for result in document for _ in result["segments"]]

    printed = run("embed", clips, *model, "--csv").stdout
    header = printed.splitlines()[0]
    assert header == "path,segment,start_s,end_s,e_0,e_1,e_2,e_3,silent,model,model_sha256"
    for name in ("v.csv", "v.jsonl", "v.json", "v.npz", "v.parquet", "set/"):
        finished = run("embed", clips, *model, "-o", f"{tmp_path}/{name}", "-j", "2")
        assert finished.exit_code == 0, finished.stderr
        assert finished.stdout == ""
    assert (tmp_path / "v.csv").read_text() == printed
    assert json.loads((tmp_path / "v.json").read_text())["results"] == document
    lines = [json.loads(line) for line in (tmp_path / "v.jsonl").read_text().splitlines()]
    assert sorted(lines, key=lambda line: line["path"]) == sorted(document, key=lambda line: line["path"])

    csv = pd.read_csv(tmp_path / "v.csv")
    single = pd.read_parquet(tmp_path / "v.parquet")
    dataset = pd.read_parquet(tmp_path / "set").sort_values(["path", "segment"])
    for table in (csv, single, dataset):
        assert list(table.columns) == header.split(",")
    for table in (csv, single):
        np.testing.assert_array_equal(numbers(table), exact)
        assert table["path"].tolist() == paths
    np.testing.assert_array_equal(numbers(dataset), numbers(csv.sort_values(["path", "segment"])))
    assert set(dataset["model_sha256"]) == {file_sha256(tiny)}
    assert dataset["e_0"].dtype == np.float32

    with np.load(tmp_path / "v.npz") as arrays:
        np.testing.assert_array_equal(arrays["data"], exact)
        assert arrays["paths"][arrays["file_index"]].tolist() == paths
        assert arrays["segment"].tolist() == csv["segment"].tolist()
        np.testing.assert_array_equal(arrays["starts_s"], csv["start_s"])
        np.testing.assert_array_equal(arrays["ends_s"], csv["end_s"])
        assert not arrays["silent"].any()
        meta = json.loads(str(arrays["meta"]))["embedding"]
    assert meta["model"] == "tiny"
    assert meta["dimensions"] == 4


def test_a_file_for_each_recording(run: Run, tiny: Path, clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "each"
    finished = run("embed", clips, "--model", tiny, "--format", "npz", "-o", f"{out}/", "--json")
    assert finished.exit_code == 0, finished.stderr
    for result in finished.document["results"]:
        file = out / Path(result["path"]).relative_to(clips).with_suffix(".npz")
        with np.load(file) as arrays:
            np.testing.assert_array_equal(arrays["data"], vectors(result).astype(np.float32))
    assert run("embed", clips, "--model", tiny, "--format", "csv", "-o", f"{out}/").exit_code == 0
    assert len(list(out.rglob("*.csv"))) == 3


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5, 0.9])
def test_overlap(overlap: float, run: Run, tiny: Path, clips: Path) -> None:
    path = clips / "three.wav"
    finished = run("embed", path, "--model", tiny, "--overlap", overlap, "--json")
    (result,) = finished.document["results"]
    hop = round(4000 * (1 - overlap))
    starts = [round(segment["start_s"] * RATE) for segment in result["segments"]]
    assert starts == list(range(0, 20000 - 4000 + 1, hop))
    assert result["hop_s"] == hop / RATE
    expected = expected_vectors(path, starts)
    np.testing.assert_allclose(vectors(result), expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def test_times_of_an_excerpt_are_those_of_the_recording(run: Run, tiny: Path, clips: Path) -> None:
    part = run(
        "embed", clips / "three.wav", "--model", tiny, "--offset", "0.5", "--duration", "1", "--json"
    ).document["results"][0]
    whole = run("embed", clips / "three.wav", "--model", tiny, "--json").document["results"][0]
    assert [segment["start_s"] for segment in part["segments"]] == [0.5, 1.0]
    assert part["duration_s"] == 1.0
    np.testing.assert_allclose(vectors(part), vectors(whole)[1:3], rtol=1e-5)


def test_silence_is_marked_and_left_out_of_the_mean(run: Run, tiny: Path, tmp_path: Path) -> None:
    samples = 0.1 * np.random.default_rng(0).standard_normal(12000)
    samples[4000:8000] = 0
    soundfile.write(tmp_path / "gap.wav", samples, RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "silence.wav", np.zeros(12000), RATE)
    both = (tmp_path / "gap.wav", tmp_path / "silence.wav", "--model", tiny, "--json")
    gap, silence = run("embed", *both).document["results"]
    assert [segment["silent"] for segment in gap["segments"]] == [False, True, False]
    assert all(segment["silent"] for segment in silence["segments"])
    pooled, nothing = run("embed", *both, "--pool", "mean").document["results"]
    assert pooled["pool"] == "mean"
    ((start, end, silent),) = [(s["start_s"], s["end_s"], s["silent"]) for s in pooled["segments"]]
    assert (start, end, silent) == (0.0, 1.5, False)
    np.testing.assert_allclose(vectors(pooled)[0], vectors(gap)[[0, 2]].mean(axis=0), rtol=1e-5)
    assert nothing["segments"][0]["silent"]
    np.testing.assert_allclose(vectors(nothing)[0], vectors(silence).mean(axis=0), rtol=1e-5)
    table = run("embed", tmp_path / "gap.wav", "--model", tiny).stdout
    assert re.search(r"gap\.wav +tiny +3 +4 +1\.50 +1", table)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_table_has_no_vectors_and_fits(
    width: int, run: Run, tiny: Path, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = run("embed", clips, "--model", tiny).stdout.splitlines()
    assert max(map(len, lines)) <= width
    assert lines[1].split()[:4] == ["path", "model", "segments", "dimensions"]
    assert [line.split()[1:4] for line in lines if ".wav" in line] == [
        ["tiny", str(count), "4"] for count in (2, 4, 5)
    ]


def test_bad_input_is_one_sentence_each(run: Run, tiny: Path, make_wav: Callable[..., Path]) -> None:
    good = make_wav("good.wav")
    samples = 0.1 * np.ones(8000, dtype=np.float32)
    samples[4000] = np.nan
    bad = {
        make_wav("nan.wav", samples, rate=RATE, subtype="FLOAT"): "non_finite",
        make_wav("short.wav", np.ones(100) * 0.1, rate=RATE): "too_short",
        make_wav("empty.wav", np.zeros(0), rate=RATE): "empty",
        Path("missing.wav"): "not_found",
    }
    finished = run("embed", good, *bad, "--model", tiny, "--json")
    assert finished.exit_code == 1
    assert [result["path"] for result in finished.document["results"]] == [str(good)]
    failures = {failure["path"]: failure["kind"] for failure in finished.document["failures"]}
    assert failures == {str(path): kind for path, kind in bad.items()}
    assert finished.stderr.count("error: ") == 4
    lines = run("embed", good, *bad, "--model", tiny, "--jsonl").stdout.splitlines()
    assert sum("error" in json.loads(line) for line in lines) == 4
    assert run("embed", *bad, "--model", tiny).exit_code == 3


def test_models_that_give_no_vectors(run: Run, tmp_path: Path, make_wav: Callable[..., Path]) -> None:
    wav = make_wav()
    no_embedding = run("embed", wav, "--model", write_model(tmp_path / "labels.onnx"))
    assert no_embedding.exit_code == 2
    assert "--model tiny: has no embedding; use music, sound, speech" in no_embedding.stderr
    assert run("embed", wav, "--model", "nosuch").exit_code == 4
    assert run("embed", wav, "--model", tmp_path / "nosuch.onnx").exit_code == 4
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(write_embedding(tmp_path / "whole.onnx").read_bytes()[:-100])
    assert run("embed", wav, "--model", broken).exit_code == 4
    for options in (("--overlap", "1"), ("--offset", "-1"), ("--duration", "0"), ("--pool", "max")):
        assert run("embed", wav, "--model", "sound", *options).exit_code == 2, options


def test_what_can_not_be_written(run: Run, tiny: Path, clips: Path, tmp_path: Path) -> None:
    file = tmp_path / "there.npz"
    file.write_bytes(b"mine")
    for arguments, code, message in (
        (("-o", file), 3, "exists already"),
        (("-o", tmp_path / "v.xyz"), 2, "the suffix is that of no format; use one of .parquet, .npz"),
        (("-o", tmp_path / "v.npz", "--format", "csv"), 2, "the suffix is that of npz"),
        (("-o", tmp_path / "v.wav"), 2, "is the name of a recording"),
        (("--format", "parquet"), 2, "needs a file or a folder: add --output FILE"),
        (("--part-files", "3"), 2, "are for data sets"),
        (("-o", f"{tmp_path}/set/", "--csv"), 2, "--csv prints vectors, which are in the data set"),
        (("--json", "--csv"), 2, "not both"),
    ):
        finished = run("embed", clips, "--model", tiny, *arguments)
        assert finished.exit_code == code, finished.stderr
        assert message in finished.stderr
    assert file.read_bytes() == b"mine"
    assert not (tmp_path / "set").exists()
    missing = run("embed", tmp_path / "no.wav", "--model", tiny, "-o", tmp_path / "v.parquet")
    assert missing.exit_code == 3
    assert not (tmp_path / "v.parquet").exists()


def test_a_model_from_elsewhere_with_an_embedding(
    run: Run, tmp_path: Path, make_wav: Callable[..., Path]
) -> None:
    import onnx
    from onnx import TensorProto, helper

    plain = onnx.load(write_model(tmp_path / "plain.onnx"))
    del plain.metadata_props[:]
    plain.graph.output.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 3]))
    onnx.save(plain, tmp_path / "plain.onnx")
    (tmp_path / "labels.txt").write_text("hum\nhiss\nsilence\n")
    added = run(
        "models", "add", tmp_path / "plain.onnx", "--labels", tmp_path / "labels.txt", "--sr", RATE,
        "--feature", "mfcc", "--n-fft", "256", "--hop", "100", "--n-mels", "20", "--n-mfcc", "7",
        "--output-name", "probabilities", "--embedding", "logits", "--name", "mine",
    )  # fmt: skip
    assert added.exit_code == 0, added.stderr
    wav = make_wav("tone.wav", 0.1 * np.random.default_rng(0).standard_normal(8000), rate=RATE)
    (found,) = run("embed", wav, "--model", "mine", "--json").document["results"]
    assert (found["model"], found["dimensions"], len(found["segments"])) == ("mine", 3, 2)
    labels = run("classify", wav, "--model", "mine", "--timeline", "--json").document["results"][0]
    odds = np.array([list(each["probabilities"].values()) for each in labels["timeline"]])
    logits = vectors(found)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(powers / powers.sum(axis=1, keepdims=True), odds, rtol=1e-4)


def test_a_result_is_the_same_after_the_journal(tiny: Path, clips: Path) -> None:
    clip = embed(Source(str(clips / "three.wav")), opened(tiny))
    codec = EmbeddingCodec()
    for kept in (clip, replace(clip, data=None)):
        again = codec.unpack(json.loads(json.dumps(codec.pack(kept))))
        for name in ("starts_s", "ends_s", "silent", "data"):
            np.testing.assert_array_equal(getattr(again, name), getattr(kept, name))
        assert (again.info, again.path, again.rest) == (kept.info, kept.path, kept.rest)
    assert codec.unpack(codec.pack(clip)).vectors.shape == (5, 4)


# The choice of the model.


@pytest.fixture
def backbones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of bundled models: small backbones, and a gate: a low tone is music, a high one speech."""
    folder = tmp_path / "bundled"
    folder.mkdir()
    for seed, name in enumerate(("music", "sound", "speech")):
        write_embedding(folder / f"{name}.onnx", replace(CONTRACT, name=name), dimensions=2 + seed, seed=seed)
    gate = replace(CONTRACT, name="sound-type", labels=("music", "speech", "environment"))
    write_model(folder / "sound-type.onnx", gate, matrix=by_slope(1.0, -1.0, 0.0))
    monkeypatch.setattr("audiocnn_cli.models.registry.bundled_folder", lambda: folder)
    return folder


@pytest.fixture
def tone(make_wav: Callable[..., Path]) -> Callable[..., Path]:
    """Write a second of a tone, or of silence at 0 Hz."""

    def _tone(name: str, hz: float) -> Path:
        return make_wav(name, 0.3 * np.sin(2 * np.pi * hz * np.arange(RATE) / RATE), rate=RATE)

    return _tone


def models_of(finished: Finished) -> set[str]:
    """The models of all results."""
    assert finished.exit_code == 0, finished.stderr
    return {result["model"] for result in finished.document["results"]}


def test_the_default_is_the_backbone_for_the_type_of_sound(
    run: Run, backbones: Path, tone: Callable[..., Path]
) -> None:
    low, high, silence = tone("low.wav", 200), tone("high.wav", 3500), tone("silence.wav", 0)
    assert models_of(run("embed", low, "--json")) == {"music"}
    assert models_of(run("embed", high, silence, "--json")) == {"speech"}
    assert models_of(run("embed", silence, "--json")) == {"sound"}
    # A sound that goes over into another one still has one model.
    mixed = run("embed", low, high, "--json")
    assert models_of(mixed) == {"sound"}
    assert mixed.stderr.startswith("model sound (recordings sampled: 1 ")
    assert audiocnn.embed(low).model == "music"
    assert audiocnn.embed(high).model == "speech"
    part = run("embed", low, "--offset", "0.25", "--json", "-v")
    assert models_of(part) == {"music"}
    assert "model music (recordings sampled: 1 music)" in part.stderr


def test_one_type_decides_from_three_quarters_on(
    run: Run, backbones: Path, tone: Callable[..., Path], tmp_path: Path
) -> None:
    for number in range(3):
        tone(f"mostly/{number}.wav", 200 + number)
    tone("mostly/other.wav", 3500)
    assert models_of(run("embed", tmp_path / "mostly", "--json")) == {"music"}
    tone("mostly/another.wav", 3400)
    assert models_of(run("embed", tmp_path / "mostly", "--json")) == {"sound"}
    # Each part of an array job chooses as all together do.
    for part in ("1/3", "2/3", "3/3"):
        finished = run("embed", tmp_path / "mostly", "--shard", part, "--json")
        assert finished.exit_code == 0 or not finished.document["results"]
        assert {result["model"] for result in finished.document["results"]} <= {"sound"}


def test_standard_input(run: Run, backbones: Path, tone: Callable[..., Path]) -> None:
    for hz, model in ((200, "music"), (3500, "speech"), (0, "sound")):
        path = tone("stdin.wav", hz)
        finished = run("embed", "-", "--json", stdin=path.read_bytes())
        assert models_of(finished) == {model}
        (result,) = finished.document["results"]
        assert result["path"] == "-"
        (same,) = run("embed", path, "--model", model, "--json").document["results"]
        assert same["segments"] == result["segments"]
    twice = run("embed", "-", path, stdin=path.read_bytes())
    assert twice.exit_code == 2
    assert "standard input is read once" in twice.stderr
    assert "give --model" in twice.stderr
    assert run("embed", "-", path, "--model", "music", stdin=path.read_bytes()).exit_code == 0


def test_a_set_keeps_its_model(run: Run, backbones: Path, tone: Callable[..., Path], tmp_path: Path) -> None:
    out = f"{tmp_path}/set/"
    tone("in/low.wav", 200)
    assert run("embed", tmp_path / "in", "-o", out).exit_code == 0
    for number in range(8):
        tone(f"in/high{number}.wav", 3400 + number)
    again = run("embed", tmp_path / "in", "-o", out)
    assert again.exit_code == 3
    assert "holds a data set already, of the model music; add --resume" in again.stderr
    assert run("embed", tmp_path / "in", "-o", out, "--resume").exit_code == 0
    table = pd.read_parquet(out)
    assert set(table["model"]) == {"music"}
    assert table["path"].nunique() == 9
    before = sorted(Path(out).iterdir())
    other = run("embed", tmp_path / "in", "-o", out, "--resume", "--model", "speech")
    assert other.exit_code == 4
    assert re.search(r"was made with the model music \(SHA-256 [0-9a-f]{12}\), not with speech", other.stderr)
    assert sorted(Path(out).iterdir()) == before
    # Another file under the same name.
    write_embedding(backbones / "music.onnx", replace(CONTRACT, name="music"), dimensions=2, seed=9)
    version = run("embed", tmp_path / "in", "-o", out, "--resume")
    assert version.exit_code == 4
    assert "was made with another version of the model music" in version.stderr
    assert run("embed", tmp_path / "in", "-o", out, "--model", "speech", "--force").exit_code == 0
    assert set(pd.read_parquet(out)["model"]) == {"speech"}


def test_an_installation_without_backbones(run: Run, backbones: Path, tone: Callable[..., Path]) -> None:
    (backbones / "music.onnx").unlink()
    missing = run("embed", tone("low.wav", 200))
    assert missing.exit_code == 4
    assert "this installation has no bundled model music; give a --model" in missing.stderr


# Python.


def test_embed_in_python_is_the_command(run: Run, tiny: Path, clips: Path) -> None:
    path = clips / "three.wav"
    found = audiocnn.embed(path, tiny, overlap=0.5)
    (result,) = run("embed", path, "--model", tiny, "--overlap", "0.5", "--json").document["results"]
    assert found.to_dict() == result
    assert found.shape == found.data.shape == (9, 4)
    assert np.asarray(found).dtype == np.float32
    assert np.mean(found, axis=0).shape == (4,)
    assert len(found) == 9
    np.testing.assert_array_equal(found[2], found.data[2])
    assert found.starts_s.tolist() == [segment["start_s"] for segment in result["segments"]]
    assert (found.model, found.dimensions, found.duration_s) == ("tiny", 4, 2.5)
    frame = found.to_pandas()
    np.testing.assert_array_equal(numbers(frame), found.data)
    assert repr(found) == "<Embeddings by tiny: segments 9, dimensions 4; 2.50 s>"
    assert "<table" in found._repr_html_()
    samples, _ = soundfile.read(path, dtype="float32")
    same = audiocnn.embed(samples, tiny, sample_rate=RATE, pool="mean")
    assert same.shape == (1, 4)
    with pytest.raises(audiocnn.AudiocnnError, match="`pool` must be mean, not 'max'"):
        audiocnn.embed(samples, tiny, sample_rate=RATE, pool="max")
    with pytest.raises(audiocnn.AudiocnnError, match="`sample_rate`"):
        audiocnn.embed(samples, tiny)


@pytest.mark.parametrize("name", ["music", "sound", "speech"])
def test_the_bundled_backbones(name: str, run: Run, make_wav: Callable[..., Path]) -> None:
    wav = make_wav("noise.wav", 0.1 * np.random.default_rng(0).standard_normal(7 * 22050))
    (result,) = run("embed", wav, "--model", name, "--json").document["results"]
    assert result["model"] == name
    assert {len(segment["embedding"]) for segment in result["segments"]} == {result["dimensions"]}
    assert np.isfinite(vectors(result)).all()
    assert result["segments"][-1]["end_s"] <= 7.0


def test_the_page_has_the_sizes_of_the_backbones() -> None:
    page = (Path(__file__).parent.parent / "docs" / "embeddings.md").read_text(encoding="utf-8")
    stated = re.findall(r"^\| `(\w+)` \| .* \| (\d+) \| ([\d.]+) s \|$", page, re.MULTILINE)
    assert [name for name, *_ in stated] == ["music", "sound", "speech"]
    for name, dimensions, seconds in stated:
        contract = opened(find_model(name).path).model.contract
        assert (contract.dimensions, contract.segment_s) == (int(dimensions), float(seconds))


def test_a_cut_backbone_is_refused(run: Run, backbones: Path, tone: Callable[..., Path]) -> None:
    path = backbones / "music.onnx"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    out = backbones / "set"
    finished = run("embed", tone("low.wav", 200), "-o", f"{out}/")
    assert finished.exit_code == 4
    assert "music.onnx" in finished.stderr
    assert not list(out.glob("*.parquet"))
    shutil.rmtree(out, ignore_errors=True)
