"""When no label is said: silence, another type of sound, doubt; and that the reason is given."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audiocnn_cli.classify import SoundType, gate
from audiocnn_cli.models.contract import decode, encode
from audiocnn_cli.models.inference import SILENCE_DB, ModelStream, StreamingInference
from audiocnn_cli.models.session import open_model
from tests.conftest import Finished
from tests.onnx_models import CONTRACT, write_good_model, write_model
from tests.sound_types import RATE, music, speech, tone, unclear, write_bundled

Run = Callable[..., Finished]
MakeWav = Callable[..., Path]


LOW, HIGH = music(), speech()
NEITHER = unclear()
GENRE = ("--model", "genre")


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_good_model(tmp_path / "tiny.onnx")


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Bundled models for this test, of the types that tests/sound_types.py has signals of."""
    folder = write_bundled(tmp_path / "bundled")
    monkeypatch.setattr("audiocnn_cli.models.registry.bundled_folder", lambda: folder)
    return folder


def only(finished: Finished) -> Any:
    assert finished.exit_code == 0, finished.stderr
    (result,) = finished.document["results"]
    return result


@pytest.mark.parametrize("level_db", [None, SILENCE_DB - 3])
def test_silence_gets_no_label(level_db: float | None, run: Run, tiny: Path, make_wav: MakeWav) -> None:
    amplitude = 0.0 if level_db is None else np.sqrt(2) * 10 ** (level_db / 20)
    path = make_wav("x.wav", LOW / 0.3 * amplitude, rate=RATE, subtype="FLOAT")
    result = only(run("classify", path, "--model", tiny, "--json"))
    assert (result["label"], result["abstained"], result["reason"]) == (None, True, "silence")
    assert len(result["top"]) == 3
    assert "silence" in run("classify", path, "--model", tiny).stdout


def test_what_is_soft_is_no_silence(run: Run, tiny: Path, make_wav: MakeWav) -> None:
    soft = LOW / 0.3 * np.sqrt(2) * 10 ** ((SILENCE_DB + 3) / 20)
    path = make_wav("x.wav", soft, rate=RATE, subtype="FLOAT")
    assert only(run("classify", path, "--model", tiny, "--json"))["label"] is not None


def test_silent_segments_have_no_vote(run: Run, tiny: Path, make_wav: MakeWav) -> None:
    alone = make_wav("a.wav", LOW, rate=RATE)
    padded = make_wav("b.wav", np.concatenate([LOW, np.zeros(20000)]), rate=RATE)
    first, second = (only(run("classify", path, "--model", tiny, "--json")) for path in (alone, padded))
    assert second["top"] == first["top"]
    assert second["segments"] > first["segments"]


def test_a_label_below_the_threshold_is_not_said(run: Run, tmp_path: Path, make_wav: MakeWav) -> None:
    strict = write_model(tmp_path / "m.onnx", replace(CONTRACT, threshold=0.9))
    path = make_wav("x.wav", LOW, rate=RATE)
    result = only(run("classify", path, "--model", strict, "--json"))
    assert (result["label"], result["reason"]) == (None, "below the threshold")
    best = result["top"][0]["label"]
    for given in (f"{best}=0.1", "0"):
        again = only(run("classify", path, "--model", strict, "--threshold", given, "--json"))
        assert again["label"] == best


def test_a_contract_may_have_a_threshold_for_a_label(run: Run, tmp_path: Path, make_wav: MakeWav) -> None:
    path = make_wav("x.wav", LOW, rate=RATE)
    plain = write_model(tmp_path / "a.onnx")
    best = only(run("classify", path, "--model", plain, "--json"))["label"]
    own = replace(CONTRACT, thresholds={best: 0.99})
    assert decode(encode(own), where="x") == own
    strict = write_model(tmp_path / "b.onnx", own)
    assert only(run("classify", path, "--model", strict, "--json"))["label"] is None


@pytest.mark.usefixtures("shelf")
def test_speech_gets_no_genre(run: Run, make_wav: MakeWav) -> None:
    talk = make_wav("speech.wav", HIGH, rate=RATE)
    result = only(run("classify", talk, *GENRE, "--json", "--timeline"))
    assert result["label"] is None
    assert result["reason"] == "this is speech, not music"
    assert result["sound_type"]["label"] == "speech"
    assert result["events"] == []
    assert {entry["reason"] for entry in result["timeline"]} == {result["reason"]}
    assert "this is speech, not music" in run("classify", talk, *GENRE).stdout
    song = only(run("classify", make_wav("music.wav", LOW, rate=RATE), *GENRE, "--json"))
    assert song["label"] is not None
    assert song["reason"] is None


@pytest.mark.usefixtures("shelf")
def test_the_gate_can_be_left_out(run: Run, make_wav: MakeWav) -> None:
    talk = make_wav("speech.wav", HIGH, rate=RATE)
    for arguments in (("--no-gate",), ("--threshold", "0")):
        result = only(run("classify", talk, *GENRE, "--json", *arguments))
        assert result["label"] is not None
        assert "sound_type" not in result
    both = only(run("classify", talk, *GENRE, "--json", "--threshold", "0", "--gate"))
    assert both["label"] is not None
    assert both["reason"] == "this is speech, not music"


@pytest.mark.usefixtures("shelf")
def test_only_the_music_of_a_broadcast_gets_a_genre(run: Run, make_wav: MakeWav) -> None:
    mixed = make_wav("mixed.wav", np.concatenate([LOW, HIGH, LOW, LOW]), rate=RATE)
    result = only(run("classify", mixed, *GENRE, "--json", "--timeline"))
    reasons = [entry["reason"] is not None for entry in result["timeline"]]
    assert reasons == [False] * 3 + [True] * 3 + [False] * 6
    assert [(e["start_s"], e["end_s"]) for e in result["events"]] == [(0.0, 1.5), (3.0, 6.0)]


@pytest.mark.usefixtures("shelf")
def test_the_gate_listens_to_a_stream(run: Run, make_wav: MakeWav) -> None:
    mixed = make_wav("mixed.wav", np.concatenate([LOW, HIGH, LOW]), rate=RATE)
    data = mixed.read_bytes()
    live = run("classify", "-", *GENRE, "--jsonl", stdin=data)
    *segments, last = [json.loads(line) for line in live.stdout.splitlines()]
    whole = only(run("classify", mixed, *GENRE, "--json", "--timeline"))
    assert [s["reason"] for s in segments] == [e["reason"] for e in whole["timeline"]]
    assert last["sound_type"] == whole["sound_type"]


@pytest.mark.usefixtures("shelf")
def test_the_gate_says_the_same_of_a_clip_with_and_without_its_parts(run: Run, make_wav: MakeWav) -> None:
    parts = [tone(300 + 400 * (i % 7), 0.5) for i in range(37)]
    path = make_wav("long.wav", np.concatenate(parts), rate=RATE)
    whole = only(run("classify", path, *GENRE, "--json"))
    with_parts = only(run("classify", path, *GENRE, "--json", "--timeline"))
    assert whole["sound_type"] == with_parts["sound_type"]
    assert whole["segments"] == 37


def test_a_sparse_stream_is_scored_on_a_sample_of_segments(tiny: Path) -> None:
    model = open_model(tiny)
    inference = StreamingInference([ModelStream(model), ModelStream(model, sparse=True)], source_rate=RATE)
    for _ in range(26):
        inference.push(NEITHER[:4000].astype(np.float32))
    every, sample = inference.finish()
    assert every.indices.tolist() == list(range(26))
    assert sample.indices.tolist() == [*range(10), 12, 16, 20, 24]
    np.testing.assert_allclose(sample.probabilities, every.probabilities[sample.indices], atol=1e-6)
    alone = StreamingInference([ModelStream(model, sparse=True)], source_rate=RATE)
    for _ in range(26):
        alone.push(NEITHER[:4000].astype(np.float32))
    (only_sample,) = alone.finish()
    assert only_sample.starts.tolist() == sample.starts.tolist()
    assert only_sample.n_samples == every.n_samples == 26 * 4000


@pytest.mark.parametrize(
    ("probability", "own", "sure"),
    [(0.69, 0.0, False), (0.7, 0.0, True), (0.9, 0.0, True), (0.9, 0.95, False), (0.96, 0.95, True)],
)
def test_the_gate_decides_from_0_7_or_its_own_threshold_on(
    probability: float, own: float, sure: bool, tmp_path: Path
) -> None:
    kinds = replace(CONTRACT, labels=("music", "speech", "environment"), threshold=own)
    model = open_model(write_good_model(tmp_path / "gate.onnx", kinds))
    sound = SoundType("speech", probability)
    assert gate.is_sure(sound, model) is sure
    assert gate.mismatch(sound, "music", model) == ("this is speech, not music" if sure else None)
    assert gate.mismatch(sound, "speech", model) is None
    assert gate.mismatch(sound, None, model) is None


@pytest.mark.usefixtures("shelf")
def test_a_doubtful_gate_keeps_quiet(run: Run, make_wav: MakeWav) -> None:
    result = only(run("classify", make_wav("x.wav", NEITHER, rate=RATE), *GENRE, "--json"))
    assert result["sound_type"]["probability"] < 0.7
    assert result["label"] is not None


@pytest.mark.usefixtures("shelf")
def test_the_gate_wants_a_model_with_a_type(run: Run, tiny: Path, make_wav: MakeWav) -> None:
    finished = run("classify", make_wav("x.wav", LOW, rate=RATE), "--model", tiny, "--gate")
    assert finished.exit_code == 2
    assert "which type of sound" in finished.stderr


def test_auto_without_a_gate_says_so(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_wav: MakeWav
) -> None:
    monkeypatch.setattr("audiocnn_cli.models.registry.bundled_folder", lambda: tmp_path / "none")
    finished = run("classify", make_wav("x.wav", LOW, rate=RATE), "--model", "auto")
    assert finished.exit_code == 2
    assert "sound-type" in finished.stderr
