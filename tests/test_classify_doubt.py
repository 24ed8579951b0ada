"""Doubts in every output: the candidate with a question mark, never an empty table or file."""

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import webvtt
from hypothesis import given
from hypothesis import strategies as st
from praatio import textgrid

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.classify import Candidate, ClassifyOptions, Ensemble, TimelineEntry, classify
from audiocnn_cli.classify.timeline import events, unlabelled
from audiocnn_cli.models.contract import METADATA_KEY, encode
from audiocnn_cli.models.scores import ClipScores, mean_over_segments
from audiocnn_cli.models.session import open_model
from audiocnn_cli.models.signature import Activation
from tests.conftest import Finished
from tests.onnx_models import CONTRACT, by_slope, write_graph, write_model

Run = Callable[..., Finished]
MakeWav = Callable[..., Path]
TONES = replace(CONTRACT, name="tones", labels=("low", "high"), threshold=0.8)
LAST_LINE = "1 of 1 clip is below the threshold (?); --threshold 0 labels every clip."


@pytest.fixture
def tones(tmp_path: Path) -> Path:
    """A model that is sure of tones (300 and 3700 Hz) and in doubt about noise."""
    golden = replace(TONES.golden, probabilities=(0.5, 0.5))
    return write_model(tmp_path / "tones.onnx", replace(TONES, golden=golden), matrix=by_slope(0.1, -0.1))


@pytest.fixture
def melody(make_wav: MakeWav) -> Path:
    """A low tone of 1 s, then noise of 1 s, then silence of 1 s."""
    t = np.arange(8000) / 8000
    tone, noise = 0.3 * np.sin(2 * np.pi * 300 * t), 0.1 * np.random.default_rng(1).standard_normal(8000)
    return make_wav("melody.wav", np.concatenate([tone, noise, np.zeros(8000)]), rate=8000)


@pytest.fixture
def noise(make_wav: MakeWav) -> Path:
    return make_wav("noise.wav", 0.1 * np.random.default_rng(0).standard_normal(16000), rate=8000)


@pytest.fixture
def candidate(run: Run, tones: Path, noise: Path) -> str:
    """The best candidate for the noise, of which the model is not sure."""
    (result,) = run("classify", noise, "--model", tones, "--json").document["results"]
    assert (result["label"], result["reason"]) == (None, "below the threshold")
    return str(result["top"][0]["label"])


def test_the_table_has_the_candidate_and_ends_with_one_line(
    run: Run, tones: Path, noise: Path, candidate: str
) -> None:
    shown = run("classify", noise, "--model", tones).stdout
    assert f"{candidate}?" in shown
    assert "unsure" not in shown
    assert shown.splitlines()[-1] == LAST_LINE
    sure = run("classify", noise, "--model", tones, "--threshold", "0").stdout
    assert "?" not in sure
    assert "--threshold" not in sure


def test_the_line_counts_clips(run: Run, tones: Path, noise: Path, make_wav: MakeWav, tmp_path: Path) -> None:
    tone = make_wav("tone.wav", 0.3 * np.sin(2 * np.pi * 300 * np.arange(8000) / 8000), rate=8000)
    arguments = ("classify", noise, noise, tone, "--model", tones)
    last = run(*arguments).stdout.splitlines()[-1]
    assert last == "2 of 3 clips are below the threshold (?); --threshold 0 labels every clip."
    run(*arguments, "-o", tmp_path / "table.txt")
    assert (tmp_path / "table.txt").read_text().splitlines()[-1] == last
    parts = run(*arguments, "--timeline").stdout
    assert parts.count(last) == 1
    assert parts.endswith(f"{last}\n")


@pytest.mark.parametrize("option", ["--timeline", "--events"])
def test_no_labelled_segment_is_no_empty_table(
    option: str, run: Run, tones: Path, noise: Path, candidate: str
) -> None:
    lines = run("classify", noise, "--model", tones, option).stdout.splitlines()
    assert any(set(line) == {"?"} for line in lines)
    assert any(line.split() == ["?", "below", "the", "threshold"] for line in lines)
    parts = [line.split() for line in lines if line.strip().startswith("0.00 s")]
    assert parts
    assert parts[0][4] == f"{candidate}?"


def test_the_strip_tells_labels_doubts_and_nothing_apart(run: Run, tones: Path, melody: Path) -> None:
    lines = run("classify", melody, "--model", tones, "--timeline").stdout.splitlines()
    strip = next(line for line in lines if line.startswith("lll"))
    assert [strip.count(sign) for sign in "l?·"] == pytest.approx([100 / 3] * 3, abs=1)
    legend = lines[lines.index(strip) + 2]
    assert legend.split("  ") == ["l low", "? below the threshold", "· silence", ""]
    rows = [line.split() for line in lines if " s " in line and "." in line]
    assert [row[4] for row in rows] == ["low", rows[1][4], "(silence)"]
    assert rows[1][4].endswith("?")
    assert len(rows[2]) == 5  # a reason has no probability


def test_shorter_events_are_left_out_in_words(run: Run, tones: Path, melody: Path) -> None:
    shown = run("classify", melody, "--model", tones, "--timeline", "--min-event", "5").stdout
    assert "no event: all are shorter than --min-event" in shown


def test_json_and_csv_are_for_programs(run: Run, tones: Path, melody: Path, candidate: str) -> None:
    (result,) = run("classify", melody, "--model", tones, "--timeline", "--json").document["results"]
    assert [(e["label"], e["start_s"], e["end_s"]) for e in result["events"]] == [("low", 0.0, 1.0)]
    doubt, silence = result["unlabelled"]
    assert (doubt["reason"], doubt["start_s"], doubt["end_s"]) == ("below the threshold", 1.0, 2.0)
    assert (silence["reason"], silence["start_s"], silence["end_s"]) == ("silence", 2.0, 3.0)
    entries = result["timeline"][2:4]
    assert {entry["label"] for entry in entries} == {None}
    means = {
        label: np.mean([entry["probabilities"][label] for entry in entries]) for label in ("low", "high")
    }
    assert doubt["probability"] == pytest.approx(means[doubt["candidate"]], abs=1e-6)
    rows = list(csv.DictReader(io.StringIO(run("classify", melody, "--model", tones, "--csv").stdout)))
    assert "?" not in "".join(rows[0].values())


def test_every_label_format_has_a_word_for_doubt(
    run: Run, tones: Path, noise: Path, candidate: str, tmp_path: Path
) -> None:
    def written(format: str, suffix: str) -> Path:
        path = tmp_path / f"x{suffix}"
        assert run("classify", noise, "--model", tones, "--format", format, "-o", path).exit_code == 0
        return path

    text = written("audacity", ".txt").read_text()
    starts, ends, words = zip(*(line.split("\t") for line in text.splitlines()), strict=True)
    assert (float(starts[0]), float(ends[-1])) == (0.0, 2.0)
    assert starts[1:] == ends[:-1]
    assert all(word.endswith("?") for word in words)
    assert f"{candidate}?" in words
    frame = pd.read_csv(written("raven", ".selections.txt"), sep="\t")
    assert list(frame["Annotation"]) == list(words)
    assert frame["Score"].between(0.5, 0.8).all()
    captions = webvtt.read(str(written("webvtt", ".vtt"))).captions
    assert [caption.text.split()[0] for caption in captions] == list(words)
    grid = textgrid.openTextgrid(str(written("textgrid", ".TextGrid")), includeEmptyIntervals=False)
    assert [entry.label for entry in grid.tiers[0].entries] == list(words)


def test_what_rules_out_all_labels_is_in_parentheses(run: Run, tones: Path, make_wav: MakeWav) -> None:
    silent = make_wav("silent.wav", np.zeros(16000), rate=8000)
    shown = run("classify", silent, "--model", tones, "--format", "audacity").stdout
    assert shown == "0.000000\t2.000000\t(silence)\n"
    raven = run("classify", silent, "--model", tones, "--format", "raven").stdout.splitlines()[1].split("\t")
    assert raven[-2:] == ["(silence)", ""]
    cue = run("classify", silent, "--model", tones, "--format", "webvtt").stdout
    assert cue.splitlines()[-1] == "(silence)"


def test_that_a_multi_label_model_finds_nothing_is_no_doubt(
    run: Run, tmp_path: Path, make_wav: MakeWav
) -> None:
    several = replace(CONTRACT, activation=Activation.SIGMOID, labels=("hum", "hiss", "howl"))
    document = {METADATA_KEY: encode(several)}
    path = write_graph(tmp_path / "many.onnx", document, last="Sigmoid")
    clip = make_wav(rate=8000)
    arguments = ("classify", clip, "--model", path)
    (found,) = run(*arguments, "--json", "--timeline", "--threshold", "0.1").document["results"]
    best = found["timeline"][0]["label"]
    # The threshold lies between the segments' probabilities of the best label: some have none.
    values = sorted(entry["probabilities"][best] for entry in found["timeline"])
    between = str((values[0] + values[-1]) / 2)
    (some,) = run(*arguments, "--json", "--timeline", "--threshold", between).document["results"]
    assert {entry["label"] is None for entry in some["timeline"]} == {True, False}
    assert some["unlabelled"] == []
    # But no file is empty.
    only = run(*arguments, "--threshold", "1", "--format", "audacity").stdout
    assert only == f"0.000000\t2.000000\t{found['top'][0]['label']}?\n"


@given(
    rows=st.lists(st.tuples(st.booleans(), st.sampled_from("ab"), st.sampled_from("xy")), min_size=1),
    hop=st.integers(1, 100),
)
def test_events_and_the_rest_cover_a_clip_and_do_not_overlap(
    rows: list[tuple[bool, str, str]], hop: int
) -> None:
    starts = np.arange(len(rows)) * hop
    values = np.array([[0.9, 0.1] if best == "a" else [0.2, 0.8] for _, best, _ in rows], dtype=np.float32)
    scores = ClipScores(
        starts=starts,
        ends=starts + 100,
        probabilities=values,
        silent=np.zeros(len(rows), dtype=bool),
        indices=np.arange(len(rows)),
        mean=mean_over_segments(values, np.zeros(len(rows), dtype=bool)),
        sample_rate=100,
    )
    reasons = {"x": "below the threshold", "y": "silence"}
    entries = [
        TimelineEntry(
            start / 100,
            start / 100 + 1,
            tuple(map(Candidate, "ab", value.tolist())),
            (best,) if labelled else (),
            None if labelled else reasons[reason],
        )
        for start, value, (labelled, best, reason) in zip(starts, values, rows, strict=True)
    ]
    found = events(scores, entries, offset_s=0.0, shortest_s=0.0)
    rest = unlabelled(scores, entries, offset_s=0.0, shortest_s=0.0, multi_label=False)
    spans = [(event.start_s, event.end_s) for event in found]
    spans = sorted(spans + [(each.start_s, each.end_s) for each in rest])
    assert spans[0][0] == 0.0
    assert spans[-1][1] == (starts[-1] + 100) / 100
    assert [start for start, _ in spans[1:]] == [end for _, end in spans[:-1]]
    for each in rest:
        if each.reason == "below the threshold":
            assert each.probability == pytest.approx(0.9 if each.candidate == "a" else 0.8, abs=1e-6)


def test_python_shows_the_candidate(tones: Path, noise: Path, candidate: str) -> None:
    import audiocnn_cli as audiocnn

    found = audiocnn.classify(noise, tones)
    assert f"{candidate}?" in repr(found)
    assert found.label is None
    assert classify(Source(str(noise)), Ensemble(models=(open_model(tones),)), ClassifyOptions()).unlabelled
