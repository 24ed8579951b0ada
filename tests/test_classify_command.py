"""`audiocnn classify` at the shell, with the bundled model and with one made here."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.conftest import Finished
from tests.onnx_models import write_good_model, write_graph

Run = Callable[..., Finished]
MakeWav = Callable[..., Path]
EXAMPLES = Path(__file__).parent.parent / "examples"
GENRES = ["blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock"]


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_good_model(tmp_path / "tiny.onnx")


def test_examples_get_a_label_or_the_reason_why_not(run: Run) -> None:
    finished = run("classify", EXAMPLES, "--model", "genre", "--json")
    assert finished.exit_code == 0
    assert finished.stderr == ""
    results = {Path(each["path"]).name: each for each in finished.document["results"]}
    assert list(results) == sorted(path.name for path in EXAMPLES.glob("*.ogg"))
    for result in results.values():
        assert result["model"] == "genre"
        assert result["abstained"] is (result["label"] is None)
        assert result["top"][0]["label"] in GENRES
        assert result["top"][0]["probability"] == result["probability"]
        assert len(result["top"]) == 3
        assert result["label"] in GENRES or result["reason"]
    for name in ("metronome.ogg", "rain.ogg"):
        assert (results[name]["label"], results[name]["reason"]) == (None, "this is environment, not music")
    forced = run("classify", EXAMPLES, "--model", "genre", "--threshold", "0", "--json").document["results"]
    assert all(result["label"] in GENRES for result in forced)


def test_one_good_two_bad_is_one_result_two_failures(run: Run, make_wav: MakeWav) -> None:
    good = make_wav("good.wav")
    broken = good.with_name("broken.wav")
    broken.write_bytes(good.read_bytes()[:1000])
    finished = run("classify", good, broken, good.with_name("missing.wav"), "--json")
    assert finished.exit_code == 1
    assert [r["path"] for r in finished.document["results"]] == [str(good)]
    kinds = [(Path(f["path"]).name, f["kind"]) for f in finished.document["failures"]]
    assert kinds == [("broken.wav", "corrupt"), ("missing.wav", "not_found")]
    assert finished.stderr.count("error: ") == 2


@pytest.mark.parametrize("path", ["missing.wav", "missing/", "missing/*.wav", "empty/"])
def test_nothing_done_is_3(path: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    finished = run("classify", path, "--json")
    assert finished.exit_code == 3
    assert finished.document["results"] == []
    assert [failure["kind"] for failure in finished.document["failures"]] == ["not_found"]
    assert finished.stderr.startswith(f"error: {path}: ")


def test_json_lines_carry_failures(run: Run, tiny: Path, make_wav: MakeWav) -> None:
    finished = run("classify", make_wav(rate=8000), "gone.wav", "--model", tiny, "--jsonl")
    lines = [json.loads(line) for line in finished.stdout.splitlines()]
    assert {"error" in line for line in lines} == {True, False}
    (failed,) = [line for line in lines if "error" in line]
    assert failed["path"] == "gone.wav"
    assert failed["error"]["kind"] == "not_found"


def test_csv_header_and_order(run: Run, tiny: Path, make_wav: MakeWav) -> None:
    names = [make_wav(name, rate=8000) for name in ("b.wav", "a.wav", "c.wav")]
    finished = run("classify", *names, "--model", tiny, "--csv", "-j", "3")
    rows = list(csv.DictReader(io.StringIO(finished.stdout)))
    assert finished.stdout.startswith("path,model,label,probability,abstained,")
    assert [row["path"] for row in rows] == [str(name) for name in names]


@pytest.mark.parametrize("jobs", ["1", "4"])
def test_jobs_do_not_change_numbers(jobs: str, run: Run, tiny: Path, make_wav: MakeWav) -> None:
    random = np.random.default_rng(9)
    paths = [make_wav(f"{i}.wav", 0.1 * random.standard_normal(5000 + 900 * i), rate=8000) for i in range(6)]
    alone = [run("classify", p, "--model", tiny, "--json").document["results"][0] for p in paths]
    together = run("classify", *paths, "--model", tiny, "--json", "-j", jobs)
    assert together.document["results"] == alone


def test_timeline_has_every_probability(run: Run, tiny: Path, make_wav: MakeWav) -> None:
    finished = run("classify", make_wav(rate=8000), "--model", tiny, "--timeline", "--json")
    (result,) = finished.document["results"]
    assert len(result["timeline"]) == result["segments"] == 4
    for entry in result["timeline"]:
        assert sum(entry["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert entry["probability"] == entry["probabilities"][entry["label"]]


@pytest.mark.parametrize(
    "name", ["[bold]x.wav", "[/].wav", "two words.wav", "żółć 音.wav", "tab\tnew\nline\x1b[31m.wav"]
)
def test_hostile_names_are_only_names(name: str, run: Run, tiny: Path, make_wav: MakeWav) -> None:
    path = make_wav(name, rate=8000)
    finished = run("classify", path, "--model", tiny, "--json")
    assert finished.document["results"][0]["path"] == str(path)
    shown = run("classify", path, "--model", tiny)
    assert shown.exit_code == 0
    assert "\x1b" not in shown.stdout
    visible = name.encode("unicode_escape").decode() if not name.isprintable() else name
    assert visible in shown.stdout.replace("\n", "").replace("  ", "") or " " in name


def test_standard_input(run: Run, tiny: Path, make_wav: MakeWav) -> None:
    path = make_wav(rate=8000)
    piped = run("classify", "-", "--model", tiny, "--json", stdin=path.read_bytes())
    named = run("classify", path, "--model", tiny, "--json")
    assert piped.document["results"][0] == named.document["results"][0] | {"path": "-"}


def test_output_file_is_kept_unless_forced(run: Run, tiny: Path, make_wav: MakeWav) -> None:
    path = make_wav(rate=8000)
    output = tiny.with_name("labels.csv")
    assert run("classify", path, "--model", tiny, "-o", output).exit_code == 0
    before = output.read_text()
    refused = run("classify", path, "--model", tiny, "-o", output)
    assert refused.exit_code == 3
    assert "--force" in refused.stderr
    assert output.read_text() == before
    assert run("classify", path, "--model", tiny, "-o", output, "--force").exit_code == 0


@pytest.mark.parametrize(
    ("model", "said"), [("nope", "no model of that name"), ("nope.onnx", "no such model file")]
)
def test_unknown_models_are_refused(model: str, said: str, run: Run, make_wav: MakeWav) -> None:
    finished = run("classify", make_wav(), "--model", model)
    assert finished.exit_code == 4
    assert said in finished.stderr
    assert finished.stderr.count("\n") == 1


def test_a_model_without_the_contract_is_refused(run: Run, tmp_path: Path, make_wav: MakeWav) -> None:
    finished = run("classify", make_wav(), "--model", write_graph(tmp_path / "bare.onnx"))
    assert finished.exit_code == 4
    assert finished.stdout == ""


@pytest.mark.parametrize(
    "arguments", [("--top", "0"), ("--threshold", "2"), ("-j", "0"), ("--json", "--csv")]
)
def test_senseless_options_are_usage_errors(arguments: tuple[str, ...], run: Run, make_wav: MakeWav) -> None:
    assert run("classify", make_wav(), *arguments).exit_code == 2


def test_silence_stereo_and_float_are_read(run: Run, tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "silence.wav"
    soundfile.write(path, np.zeros((9000, 2)), 48000, subtype="DOUBLE")
    assert run("classify", path, "--model", tiny).exit_code == 0


def test_a_recording_is_never_written_over(run: Run, tiny: Path, make_wav: MakeWav) -> None:
    path = make_wav(rate=8000)
    before = path.read_bytes()
    finished = run("classify", path, "--model", tiny, "--csv", "-o", path, "--force")
    assert finished.exit_code == 2
    assert "name of a recording" in finished.stderr
    assert path.read_bytes() == before
