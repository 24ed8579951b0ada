"""The default model `auto`: only the models that are needed, in files and in streams."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import audiocnn_cli as audiocnn
from audiocnn_cli.audio import streams
from audiocnn_cli.classify import auto as auto_module
from audiocnn_cli.classify import gate, scored, work
from audiocnn_cli.models.inference import infer
from audiocnn_cli.models.session import open_labelling, open_model
from tests.conftest import Finished
from tests.sound_types import GENRES, RATE, SOUNDS, music, speech, unclear, weather, write_bundled

Run = Callable[..., Finished]
MakeWav = Callable[..., Path]
UNCLEAR = "the type of sound is not clear"


@pytest.fixture(autouse=True)
def bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = write_bundled(tmp_path / "bundled")
    monkeypatch.setattr("audiocnn_cli.models.registry.bundled_folder", lambda: folder)
    return folder


@pytest.fixture
def label(run: Run, make_wav: MakeWav) -> Callable[..., Any]:
    """The result of one clip of these samples."""

    def of(samples: NDArray[np.float64], *arguments: str) -> Any:
        finished = run("classify", make_wav("x.wav", samples, rate=RATE), "--json", *arguments)
        assert finished.exit_code == 0, finished.stderr
        (result,) = finished.document["results"]
        return result

    return of


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names of the models that are opened, in order."""
    names: list[str] = []

    def counted(path: Path, **options: Any) -> Any:
        names.append(path.stem)
        return open_labelling(path, **options)

    monkeypatch.setattr(work, "open_labelling", counted)
    work._opened.cache_clear()
    yield names
    work._opened.cache_clear()


@pytest.mark.parametrize(("samples", "model"), [(music(), "genre"), (weather(), "environment")])
def test_music_and_environment_get_the_model_of_their_type(
    samples: NDArray[np.float64], model: str, label: Callable[..., Any]
) -> None:
    found = label(samples)
    assert found == label(samples, "--model", "auto")
    assert found == label(samples, "--model", model)
    assert found["model"] == model
    assert found["label"] in GENRES + SOUNDS
    assert found["sound_type"]["probability"] > 0.7


def test_speech_is_called_speech_and_digits_only_when_asked_for(label: Callable[..., Any]) -> None:
    found = label(speech(), "--timeline")
    assert (found["model"], found["label"], found["reason"]) == ("sound-type", "speech", None)
    assert found["top"][0]["label"] == "speech"
    assert {each["label"] for each in found["top"]} == {"speech", "environment", "music"}
    assert found["probability"] == pytest.approx(found["sound_type"]["probability"], abs=1e-6)
    assert [(e["label"], e["start_s"], e["end_s"]) for e in found["events"]] == [("speech", 0.0, 1.5)]
    assert label(speech(), "--model", "digits")["label"] in ("one", "two", "three")


def test_where_the_gate_is_unsure_the_model_of_the_most_probable_type_has_a_candidate(
    label: Callable[..., Any],
) -> None:
    found = label(unclear(), "--timeline")
    assert (found["label"], found["abstained"], found["reason"]) == (None, True, UNCLEAR)
    assert found["sound_type"]["probability"] < 0.7
    assert found["sound_type"]["label"] == "music"
    assert found["model"] == "genre"
    assert found["top"] == label(unclear(), "--model", "genre", "--no-gate")["top"]
    assert {entry["reason"] for entry in found["timeline"]} == {UNCLEAR}
    assert found["events"] == []
    (doubt,) = found["unlabelled"]
    assert (doubt["candidate"], doubt["reason"]) == (found["top"][0]["label"], UNCLEAR)
    assert (doubt["start_s"], doubt["end_s"]) == (0.0, 1.5)


def test_a_segment_that_the_gate_is_sure_of_has_a_label_in_an_unclear_clip(label: Callable[..., Any]) -> None:
    found = label(np.concatenate([music(1.0), unclear(3.0)]), "--timeline")
    assert (found["model"], found["reason"]) == ("genre", UNCLEAR)
    assert [entry["reason"] for entry in found["timeline"]] == [None] * 2 + [UNCLEAR] * 6


def test_silence_is_silence(label: Callable[..., Any], opened: list[str]) -> None:
    found = label(np.zeros(12000))
    assert (found["label"], found["reason"], found["model"]) == (None, "silence", "sound-type")
    assert opened == ["sound-type"]


def test_a_threshold_makes_stricter_and_0_never_abstains(label: Callable[..., Any]) -> None:
    mixed = np.concatenate([speech(4.0), music(1.0)])
    assert label(mixed)["label"] == "speech"
    strict = label(mixed, "--threshold", "0.9")
    assert (strict["label"], strict["reason"]) == (None, "below the threshold")
    for samples in (mixed, unclear(), np.zeros(12000), music()):
        found = label(samples, "--threshold", "0")
        assert found["abstained"] is False
        assert found["label"] == found["top"][0]["label"]


def test_a_threshold_of_a_label_applies_to_the_model_that_has_it(run: Run, label: Callable[..., Any]) -> None:
    best = label(music())["label"]
    assert label(music(), "--threshold", f"{best}=1")["label"] is None
    assert label(weather(), "--threshold", f"{best}=1")["label"] in SOUNDS
    assert label(speech(), "--threshold", "speech=1")["label"] is None
    finished = run("classify", "x.wav", "--threshold", "dog=0.5")
    assert finished.exit_code == 2
    assert (
        "--threshold dog=...: auto has no such label in any of sound-type, genre, environment"
        in finished.stderr
    )


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (music(), ["sound-type", "genre"]),
        (weather(), ["sound-type", "environment"]),
        (speech(), ["sound-type"]),
    ],
)
def test_only_the_models_of_the_types_that_come_are_opened(
    samples: NDArray[np.float64], expected: list[str], opened: list[str], make_wav: MakeWav
) -> None:
    audiocnn.classify(make_wav("x.wav", samples, rate=RATE))
    assert opened == expected


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the recordings that are opened, in order."""
    paths: list[str] = []

    def counted(source: Any) -> Any:
        paths.append(source.path)
        return streams.open_once(source)

    monkeypatch.setattr(scored, "open_once", counted)
    return paths


@pytest.mark.parametrize(
    ("samples", "times"),
    [
        (music(20.0), 1),
        (np.concatenate([music(3.0), weather(1.0)]), 1),  # shorter than what decides beforehand
        (np.concatenate([music(4.0), weather(20.0)]), 2),
        (np.concatenate([weather(4.0), speech(20.0)]), 2),
        (np.concatenate([np.zeros(12 * RATE), music(4.0)]), 2),
        (np.concatenate([music(12.0), weather(5.0)]), 1),
        # At the check after 16 segments it is of another type than at the first and at the end.
        (np.concatenate([music(4.0), weather(12.0), music(40.0)]), 2),
    ],
)
def test_a_recording_is_decoded_again_only_if_its_beginning_is_of_another_type(
    samples: NDArray[np.float64], times: int, decoded: list[str], make_wav: MakeWav, run: Run
) -> None:
    path = make_wav("x.wav", samples, rate=RATE)
    found = audiocnn.classify(path)
    assert decoded == [str(path)] * times
    # All models in one pass, as for a stream that can't be read again.
    (streamed,) = run("classify", "-", "--json", stdin=path.read_bytes()).document["results"]
    assert (streamed["model"], streamed["label"]) == (found.model, found.label)
    assert streamed["probability"] == pytest.approx(found.probability, abs=1e-6)
    assert streamed["segments"] == len(found.timeline)


def test_what_waits_for_the_gate_is_bounded(monkeypatch: pytest.MonkeyPatch, make_wav: MakeWav) -> None:
    samples = []
    begin = auto_module._LikelyType._begin

    def measured(self: Any, found: str | None, kept: list[Any]) -> None:
        samples.append(sum(map(len, kept)))
        begin(self, found, kept)

    monkeypatch.setattr(auto_module._LikelyType, "_begin", measured)
    audiocnn.classify(make_wav("x.wav", music(90.0), rate=RATE))
    assert len(samples) == 1
    assert 4 * RATE <= samples[0] < 4 * RATE + (1 << 16)


def test_the_type_of_a_long_clip_is_that_of_all_its_segments(bundled: Path) -> None:
    model = open_model(bundled / "sound-type.onnx")
    samples = np.concatenate([speech(6.0), music(20.0)]).astype(np.float32)
    found = gate.sound_type(infer([samples], model), model)
    assert found.name == "music"
    # Of 12 segments of speech 10 are sampled, and of 40 of music 10, each for four.
    assert found.probability == pytest.approx(40 / 50, abs=0.01)


def live_lines(run: Run, samples: NDArray[np.float64], make_wav: MakeWav, *arguments: str) -> Any:
    data = make_wav("x.wav", samples, rate=RATE).read_bytes()
    finished = run("classify", "-", *arguments, stdin=data)
    assert finished.exit_code == 0, finished.stderr
    return finished.stdout


def test_a_stream_follows_the_type_of_sound(run: Run, make_wav: MakeWav) -> None:
    samples = np.concatenate([music(1.5), speech(1.0), weather(1.0), np.zeros(RATE // 2), unclear(0.5)])
    lines = [json.loads(line) for line in live_lines(run, samples, make_wav, "--jsonl").splitlines()]
    *segments, last = lines
    models = ["genre"] * 3 + ["sound-type"] * 2 + ["environment"] * 2
    assert [each["model"] for each in segments[:7]] == models
    assert [each["label"] for each in segments[3:5]] == ["speech"] * 2
    assert [each["start_s"] for each in segments] == [0.5 * i for i in range(9)]
    assert [each["reason"] for each in segments[5:]] == [None, None, "silence", UNCLEAR]
    for each in segments[:7]:
        assert each["probability"] == each["probabilities"][each["label"]]
    whole = audiocnn.classify(make_wav("x.wav", samples, rate=RATE)).to_dict()
    for key in ("model", "label", "reason", "segments"):
        assert last[key] == whole[key]
    assert last["sound_type"]["label"] == whole["sound_type"]["label"]
    assert last["probability"] == pytest.approx(whole["probability"], abs=1e-6)


def test_a_stream_as_a_table_and_as_csv(run: Run, make_wav: MakeWav) -> None:
    samples = np.concatenate([music(1.0), speech(1.0), unclear(0.5)])
    table = live_lines(run, samples, make_wav)
    segments = [line.split() for line in table.splitlines() if " to " in line]
    assert [line[-1] for line in segments[:4]] == ["genre"] * 2 + ["sound-type"] * 2
    assert segments[4][-2].endswith("?")
    rows = live_lines(run, samples, make_wav, "--csv").splitlines()
    assert rows[0] == "path,model,label,probability,abstained,start_s,end_s,reason,labels"
    assert len(rows) == 1 + 5


def test_the_model_is_in_every_output(run: Run, make_wav: MakeWav) -> None:
    for samples, model in ((music(), "genre"), (speech(), "sound-type"), (weather(), "environment")):
        clip = make_wav("x.wav", samples, rate=RATE)
        head, row = (line.split() for line in run("classify", clip).stdout.splitlines()[1:4:2])
        assert (head[3], row[3]) == ("model", model)
        assert run("classify", clip, "--csv").stdout.splitlines()[1].split(",")[1] == model
    assert "model" not in run("classify", clip, "--model", "genre").stdout.splitlines()[1].split()


def test_inspection_is_of_the_model_that_labels(run: Run, make_wav: MakeWav, tmp_path: Path) -> None:
    for name, samples, model in (("m", music(), "genre"), ("s", speech(), "sound-type")):
        path = make_wav(f"{name}.wav", samples, rate=RATE)
        finished = run("classify", path, "--trace", "--why", "--json")
        (result,) = finished.document["results"]
        assert result["trace"]["model"] == result["model"] == model
        assert result["why"]["label"] == result["label"]
    report = tmp_path / "r.html"
    assert run("classify", path, "--report", report).exit_code == 0
    assert "<h1>speech</h1>" in report.read_text()
