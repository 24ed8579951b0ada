"""Where labels hold: times to the sample, smoothing and events, by plain arithmetic."""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiocnn_cli.audio.load import Excerpt
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.classify import ClassifyOptions, Ensemble, Thresholds, classify
from audiocnn_cli.classify.timeline import runs
from audiocnn_cli.classify.work import Classification, ModelChoice
from audiocnn_cli.errors import UsageError
from audiocnn_cli.models.scores import ClipScores, align, mean_over_segments, smooth
from audiocnn_cli.models.session import Model, open_model
from tests.conftest import Finished
from tests.onnx_models import CONTRACT, SEGMENT, by_slope, write_model

Run = Callable[..., Finished]
MakeWav = Callable[..., Path]
TONES = replace(CONTRACT, name="tones", labels=("low", "high"))


@pytest.fixture
def tones(tmp_path: Path) -> Path:
    golden = replace(TONES.golden, probabilities=(0.5, 0.5))
    return write_model(tmp_path / "tones.onnx", replace(TONES, golden=golden), matrix=by_slope(0.02, -0.02))


@pytest.fixture
def model(tones: Path) -> Model:
    return open_model(tones)


def melody(*parts: tuple[float, float], rate: int = 8000) -> Any:
    """Tones of (Hz, seconds) one after the other; 0 Hz is silence."""
    pieces = [
        0.3 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)
        for frequency, seconds in parts
    ]
    return np.concatenate(pieces)


def scores(starts: list[int], length: int, probabilities: Any, *, rate: int = 100) -> ClipScores:
    first = np.array(starts)
    values = np.asarray(probabilities, dtype=np.float32)
    silent = np.zeros(len(starts), dtype=bool)
    return ClipScores(
        starts=first,
        ends=first + length,
        probabilities=values,
        silent=silent,
        indices=np.arange(len(starts)),
        mean=mean_over_segments(values, silent),
        sample_rate=rate,
    )


@pytest.mark.parametrize("rate", [8000, 11025, 44100, 96000])
@pytest.mark.parametrize("offset", [0.0, 0.25, 1 / 3, 0.123456])
def test_times_count_from_the_beginning_of_the_recording(
    rate: int, offset: float, model: Model, make_wav: MakeWav
) -> None:
    path = make_wav("x.wav", melody((300, 2.2), rate=rate), rate=rate)
    options = ClassifyOptions(excerpt=Excerpt(offset, 1.6), overlap=0.25)
    result = classify(Source(str(path)), Ensemble(models=(model,)), options)
    first = int(offset * rate) / rate  # the sample that reading starts with
    expected = [first + i * 3000 / 8000 for i in range(3)]
    assert [e.start_s for e in result.timeline[:3]] == pytest.approx(expected, abs=1e-9)
    lengths = {round(e.end_s - e.start_s, 9) for e in result.timeline}
    assert lengths == {SEGMENT.length / 8000}
    assert result.recording_s == pytest.approx(2.2, abs=1 / rate)


def test_a_duration_ends_where_it_says(model: Model, make_wav: MakeWav) -> None:
    path = make_wav("x.wav", melody((300, 3.0)), rate=8000)
    options = ClassifyOptions(excerpt=Excerpt(0.5, 1.5))
    result = classify(Source(str(path)), Ensemble(models=(model,)), options)
    assert result.duration_s == 1.5
    assert (result.timeline[0].start_s, result.timeline[-1].end_s) == (0.5, 2.0)


def test_events_are_neighbours_with_one_label(model: Model, make_wav: MakeWav) -> None:
    path = make_wav("x.wav", melody((300, 1.5), (3700, 0.5), (0, 1.0), (3700, 1.0)), rate=8000)
    result = classify(Source(str(path)), Ensemble(models=(model,)))
    found = [(event.label, event.start_s, event.end_s) for event in result.events]
    assert found == [("low", 0.0, 1.5), ("high", 1.5, 2.0), ("high", 3.0, 4.0)]
    silent = [entry for entry in result.timeline if entry.reason == "silence"]
    assert [(e.start_s, e.label) for e in silent] == [(2.0, None), (2.5, None)]
    long = replace(ClassifyOptions(), min_event_s=1.0)
    kept = classify(Source(str(path)), Ensemble(models=(model,)), long).events
    assert [(e.label, e.start_s) for e in kept] == [("low", 0.0), ("high", 3.0)]


def test_an_event_s_probability_is_the_mean_of_its_segments(model: Model, make_wav: MakeWav) -> None:
    path = make_wav("x.wav", melody((300, 1.0), (900, 1.0)), rate=8000)
    result = classify(Source(str(path)), Ensemble(models=(model,)))
    (event,) = result.events
    assert event.probability == pytest.approx(np.mean([entry.best.probability for entry in result.timeline]))


def test_an_unsure_segment_makes_no_event(model: Model, make_wav: MakeWav) -> None:
    path = make_wav("x.wav", melody((300, 1.0)), rate=8000)
    options = ClassifyOptions(thresholds=Thresholds(1.0))
    result = classify(Source(str(path)), Ensemble(models=(model,)), options)
    assert result.events == ()
    assert {entry.reason for entry in result.timeline} == {"below the threshold"}
    assert {entry.label for entry in result.timeline} == {None}


def test_smoothing_is_the_mean_of_near_middles() -> None:
    values = [[0.0], [1.0], [0.0], [0.0], [1.0]]
    segments = scores([0, 100, 200, 300, 400], 100, values)
    assert smooth(segments, 0.0) is segments
    three = smooth(segments, 2.0).probabilities[:, 0]
    assert three == pytest.approx([1 / 2, 1 / 3, 1 / 3, 1 / 3, 1 / 2])
    quiet = replace(segments, silent=np.array([False, True, False, False, False]))
    assert smooth(quiet, 2.0).probabilities[:, 0] == pytest.approx([0, 1, 0, 1 / 3, 1 / 2])


def test_overlapping_segments_meet_in_the_middle() -> None:
    segments = scores([0, 50, 100, 150], 100, [[1.0]] * 4)
    found = [(run.start, run.end) for run in runs(segments, [True, False, True, True])]
    assert found == [(0, 75), (125, 250)]


def test_a_gap_ends_a_run() -> None:
    segments = scores([0, 150, 250], 100, [[1.0]] * 3)
    assert [(r.start, r.end) for r in runs(segments, [True] * 3)] == [(0, 100), (150, 350)]


@given(hop=st.integers(1, 100), holds=st.lists(st.booleans(), min_size=1, max_size=30))
def test_runs_lie_in_order_and_cover_what_holds(hop: int, holds: list[bool]) -> None:
    segments = scores([i * hop for i in range(len(holds))], 100, [[1.0]] * len(holds))
    found = list(runs(segments, holds))
    members = [i for run in found for i in range(run.first, run.last + 1)]
    assert members == [i for i, held in enumerate(holds) if held]
    assert all(run.start < run.end for run in found)
    assert all(a.end < b.start for a, b in pairwise(found))


def test_scores_are_aligned_with_other_segments_by_shared_time() -> None:
    coarse = scores([0, 300], 300, [[0.0], [1.0]], rate=100)
    fine = scores([0, 20, 40], 20, [[9.0]] * 3, rate=10)  # 0-2, 2-4, 4-6 s
    assert align(coarse, fine)[:, 0] == pytest.approx([0.0, 0.5, 1.0])
    later = scores([80], 20, [[9.0]], rate=10)
    assert align(coarse, later)[:, 0] == pytest.approx([1.0])


@pytest.mark.parametrize("arguments", [{"overlap": 1.0}, {"overlap": -0.1}, {"smooth_s": -1.0}])
def test_options_out_of_range_are_usage_errors(arguments: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        ClassifyOptions(**arguments)  # type: ignore[arg-type]  # any of them


def test_the_work_can_be_sent_to_another_process(tones: Path, make_wav: MakeWav) -> None:
    import pickle

    work = Classification(models=(ModelChoice(tones),), options=ClassifyOptions(top=1, overlap=0.5))
    source = Source(str(make_wav("x.wav", melody((300, 1.0)), rate=8000)))
    sent = pickle.loads(pickle.dumps(work))  # noqa: S301 (our own bytes)
    assert sent == work
    assert pickle.loads(pickle.dumps(sent.prepare()(source))) == work.prepare()(source)  # noqa: S301


def test_an_ensemble_is_the_mean(tmp_path: Path, tones: Path, run: Run, make_wav: MakeWav) -> None:
    golden = replace(TONES.golden, probabilities=(0.5, 0.5))
    # The same labels in another order, other segments.
    other = replace(
        TONES,
        name="other",
        labels=("high", "low"),
        golden=golden,
        segment=replace(SEGMENT, hop=1000),
        threshold=0.5,
    )
    second = write_model(tmp_path / "other.onnx", other, matrix=by_slope(-0.05, 0.01))
    path = make_wav("x.wav", melody((300, 1.0), (3000, 1.2)), rate=8000)
    apart = [
        run("classify", path, "--model", m, "--json", "--threshold", "0").document["results"][0]
        for m in (tones, second)
    ]
    shown = run("classify", path, "--ensemble", f"{tones},{second}", "--json", "--timeline")
    (together,) = shown.document["results"]
    assert together["model"] == "tones+other"

    def of(result: Any, label: str) -> float:
        return float(next(t["probability"] for t in result["top"] if t["label"] == label))

    for label in ("low", "high"):
        mean = (of(apart[0], label) + of(apart[1], label)) / 2
        assert of(together, label) == pytest.approx(mean, abs=1e-6)
    assert together["segments"] == apart[0]["segments"]
    refused = run("classify", path, "--ensemble", f"{tones},music-speech")
    assert refused.exit_code == 2
    assert "same labels" in refused.stderr


def test_json_has_timeline_and_events(run: Run, tones: Path, make_wav: MakeWav) -> None:
    path = make_wav("x.wav", melody((300, 1.0), (3700, 1.0)), rate=8000)
    said = run("classify", path, "--model", tones, "--timeline", "--jsonl")
    line = json.loads(said.stdout)
    assert [entry["label"] for entry in line["timeline"]] == ["low", "low", "high", "high"]
    assert [(e["label"], e["start_s"], e["end_s"]) for e in line["events"]] == [
        ("low", 0.0, 1.0),
        ("high", 1.0, 2.0),
    ]
    only = run("classify", path, "--model", tones, "--events", "--csv").stdout.splitlines()
    assert only[0] == "path,model,label,probability,start_s,end_s"
    assert len(only) == 3


def test_the_strip_shows_each_label_in_its_time(run: Run, tones: Path, make_wav: MakeWav) -> None:
    path = make_wav("x.wav", melody((300, 1.5), (0, 0.5), (3700, 2.0)), rate=8000)
    shown = run("classify", path, "--model", tones, "--timeline").stdout
    strip = next(line for line in shown.splitlines() if line.startswith("lll"))
    counts = [strip.count(letter) for letter in "l·h"]
    assert counts == pytest.approx([100 * 1.5 / 4, 100 * 0.5 / 4, 50], abs=1)
    axis = shown.splitlines()[shown.splitlines().index(strip) + 1]
    assert axis.index("╵0:02") == 50
    assert "l low  h high" in shown
