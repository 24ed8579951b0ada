"""Labels in the formats of other tools, each read by somebody else's reader."""

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import webvtt
from praatio import textgrid

from audiocnn_cli.audio.segments import TailHandling
from audiocnn_cli.classify import Candidate, Event, Prediction, TimelineEntry
from audiocnn_cli.models.contract import METADATA_KEY, encode
from audiocnn_cli.models.signature import Activation
from audiocnn_cli.output.labels.formats import TRACKS, RavenTable, audacity
from audiocnn_cli.output.labels.formats import textgrid as textgrid_track
from audiocnn_cli.output.labels.formats import webvtt as webvtt_track
from audiocnn_cli.output.terminal.strip import axis
from tests.conftest import Finished
from tests.onnx_models import CONTRACT, write_good_model, write_graph

Run = Callable[..., Finished]
MakeWav = Callable[..., Path]
HOSTILE = 'a "b" <i>&\t--> \n'


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_good_model(tmp_path / "tiny.onnx")


@pytest.fixture
def two(make_wav: MakeWav) -> Path:
    """A folder with a recording in it and one of the same name below."""
    first = make_wav("set/x.wav", rate=8000)
    make_wav("set/sub.wav", rate=8000)
    (first.parent / "deep").mkdir()
    (first.parent / "sub.wav").rename(first.parent / "deep" / "x.wav")
    return first.parent


def prediction(*events: Event, path: str = "clip.wav", seconds: float = 10.0) -> Prediction:
    entry = TimelineEntry(0.0, seconds, (Candidate("a", 1.0),), ("a",))
    return Prediction(
        path=path,
        name=path,
        model="tiny",
        labels=("a",),
        reason=None,
        top=(Candidate("a", 1.0),),
        timeline=(entry,),
        events=events,
        duration_s=seconds,
        recording_s=seconds,
        rest=TailHandling.NONE,
        rest_s=0.0,
        highest_hz=4000.0,
    )


EVENTS = (
    Event(0.5, 2.25, "dog", 0.9),
    Event(2.25, 3.0, HOSTILE, 0.25),
    Event(7.000123, 9.999999, "żaba", 0.5),
)


def shown(label: str) -> str:
    return label.replace("\t", "\\t").replace("\n", "\\n")


def test_audacity_reads_start_end_and_label_by_tabs() -> None:
    rows = [line.split("\t") for line in audacity(prediction(*EVENTS)).splitlines()]
    assert [(float(a), float(b), c) for a, b, c in rows] == [
        (e.start_s, e.end_s, shown(e.label)) for e in EVENTS
    ]


def test_webvtt_py_reads_the_cues(tmp_path: Path) -> None:
    path = tmp_path / "x.vtt"
    path.write_text(webvtt_track(prediction(*EVENTS)), encoding="utf-8")
    captions = webvtt.read(str(path)).captions
    assert [c.start for c in captions] == ["00:00:00.500", "00:00:02.250", "00:00:07.000"]
    assert [c.end for c in captions] == ["00:00:02.250", "00:00:03.000", "00:00:10.000"]
    texts = path.read_text(encoding="utf-8")
    assert texts.count("-->") == len(EVENTS)
    assert "&lt;i&gt;&amp;" in texts


def test_praatio_reads_the_tier(tmp_path: Path) -> None:
    path = tmp_path / "x.TextGrid"
    path.write_text(textgrid_track(prediction(*EVENTS)), encoding="utf-8")
    grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=True)
    (tier,) = grid.tiers
    assert (grid.minTimestamp, grid.maxTimestamp, tier.name) == (0, 10.0, "tiny")
    named = [entry for entry in tier.entries if entry.label]
    assert [(e.start, e.end) for e in named] == [(e.start_s, e.end_s) for e in EVENTS]
    assert [e.label for e in named] == [shown(e.label).strip() for e in EVENTS]
    # Praat wants a tier without gaps.
    ends = [0.0, *(entry.end for entry in tier.entries)]
    assert [entry.start for entry in tier.entries] == ends[:-1]
    assert ends[-1] == 10.0


def test_events_at_once_have_a_tier_each(tmp_path: Path) -> None:
    path = tmp_path / "x.TextGrid"
    both = prediction(Event(0, 5, "dog", 0.9), Event(1, 2, "cat", 0.9), Event(6, 7, "dog", 0.9))
    path.write_text(textgrid_track(both), encoding="utf-8")
    grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=False)
    assert {tier.name: len(tier.entries) for tier in grid.tiers} == {"dog": 2, "cat": 1}


def test_no_event_is_an_empty_tier(tmp_path: Path) -> None:
    path = tmp_path / "x.TextGrid"
    path.write_text(textgrid_track(prediction()), encoding="utf-8")
    assert textgrid.openTextgrid(str(path), includeEmptyIntervals=False).tiers[0].entries == ()
    assert audacity(prediction()) == ""


def test_pandas_reads_the_raven_table_of_many(tmp_path: Path) -> None:
    table = RavenTable()
    results = [prediction(*EVENTS, path="dir/a.wav"), prediction(*EVENTS[:1], path="b.wav")]
    path = tmp_path / "x.selections.txt"
    lines = "".join(table.lines(result) for result in results)
    path.write_text(table.header + lines, encoding="utf-8")
    frame = pd.read_csv(path, sep="\t", quoting=csv.QUOTE_NONE)
    assert list(frame.columns) == table.header.rstrip("\n").split("\t")
    assert list(frame["Selection"]) == [1, 2, 3, 4]
    assert list(frame["Begin File"]) == ["a.wav"] * 3 + ["b.wav"]
    # The second recording begins where the first one ends.
    assert list(frame["Begin Time (s)"]) == [0.5, 2.25, 7.000123, 10.5]
    assert list(frame["File Offset (s)"]) == [0.5, 2.25, 7.000123, 0.5]
    assert (frame["High Freq (Hz)"] == 4000).all()


def test_pandas_reads_csv_and_parquet_alike(run: Run, tiny: Path, two: Path, tmp_path: Path) -> None:
    table = tmp_path / "labels.parquet"
    finished = run("classify", two, "--model", tiny, "--timeline", "-o", table)
    assert finished.exit_code == 0
    assert finished.stdout == ""
    text = tmp_path / "labels.csv"
    run("classify", two, "--model", tiny, "--timeline", "-o", text)
    parquet, rows = pd.read_parquet(table), pd.read_csv(text)
    assert list(parquet.columns) == list(rows.columns)
    assert len(parquet) == len(rows) == 8
    for column in ("start_s", "end_s", "probability", "p_hum"):
        assert list(parquet[column]) == pytest.approx(list(rows[column]), abs=1e-6)
    assert list(parquet["abstained"]) == list(rows["abstained"])
    assert parquet["abstained"].dtype == bool


def test_a_folder_gets_a_file_for_each_recording(run: Run, tiny: Path, two: Path, tmp_path: Path) -> None:
    folder = tmp_path / "labels"
    for format, ending in (("audacity", ".txt"), ("webvtt", ".vtt"), ("json", ".json")):
        arguments = ("classify", two, "--model", tiny, "--format", format, "-o", f"{folder}/")
        assert run(*arguments).exit_code == 0
        found = sorted(str(p.relative_to(folder)) for p in folder.rglob(f"*{ending}"))
        assert found == [f"deep/x{ending}", f"x{ending}"]
    again = run(*arguments)
    assert again.exit_code == 3
    assert "--force" in again.stderr


def test_two_recordings_of_one_name_are_not_mixed(run: Run, tiny: Path, two: Path, tmp_path: Path) -> None:
    folder = tmp_path / "labels"
    paths = (two / "x.wav", two / "deep" / "x.wav")
    finished = run("classify", *paths, "--model", tiny, "--format", "audacity", "-o", f"{folder}/")
    assert finished.exit_code == 1
    assert "is written for" in finished.stderr
    assert [path.name for path in folder.glob("*.txt")] == ["x.txt"]


@pytest.mark.parametrize("format", ["audacity", "textgrid", "webvtt"])
def test_one_place_holds_one_recording(format: str, run: Run, tiny: Path, two: Path) -> None:
    finished = run("classify", two, "--model", tiny, "--format", format)
    assert finished.exit_code == 2
    assert finished.stdout == ""
    assert "--output FOLDER/" in finished.stderr
    alone = run("classify", two / "x.wav", "--model", tiny, "--format", format)
    assert alone.exit_code == 0
    assert alone.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--format", "audacity", "--json"), "stdout"),
        (("--format", "parquet"), "--output FILE"),
        (("-o", "labels.xyz"), "suffix"),
    ],
)
def test_formats_that_go_nowhere(
    arguments: tuple[str, ...], said: str, run: Run, tiny: Path, make_wav: MakeWav
) -> None:
    finished = run("classify", make_wav(rate=8000), "--model", tiny, *arguments)
    assert finished.exit_code == 2
    assert said in finished.stderr


def test_a_failure_gives_no_file_and_the_others_go_on(
    run: Run, tiny: Path, make_wav: MakeWav, tmp_path: Path
) -> None:
    good = make_wav("good.wav", rate=8000)
    table = tmp_path / "t.txt"
    finished = run("classify", good, "gone.wav", "--model", tiny, "--format", "raven", "-o", table, "--json")
    assert finished.exit_code == 1
    assert [f["path"] for f in finished.document["failures"]] == ["gone.wav"]
    assert len(table.read_text().splitlines()) > 1
    empty = run("classify", "gone.wav", "--model", tiny, "-o", tmp_path / "t.parquet")
    assert empty.exit_code == 3
    assert not (tmp_path / "t.parquet").exists()


def test_labels_at_once_in_every_format(run: Run, tmp_path: Path, make_wav: MakeWav) -> None:
    several = replace(CONTRACT, activation=Activation.SIGMOID, labels=("hum", "hiss", "howl"))
    document = {METADATA_KEY: encode(several)}
    model = ("--model", write_graph(tmp_path / "many.onnx", document, last="Sigmoid"))
    clip = make_wav(rate=8000)
    arguments = ("classify", clip, *model, "--threshold", "0")
    result = run(*arguments, "--events", "--json").document["results"][0]
    assert {event["label"] for event in result["events"]} == {"hum", "hiss", "howl"}
    assert set(result["labels"]) == {"hum", "hiss", "howl"}
    for format in TRACKS:
        finished = run(*arguments, "--format", format)
        assert finished.exit_code == 0
        assert all(label in finished.stdout for label in result["labels"])


@pytest.mark.parametrize(
    ("begin", "end", "labels"),
    [
        (0.0, 30.0, ["0:00", "0:05", "0:10", "0:15", "0:20", "0:25"]),
        (1.5, 2.5, ["0:01.6", "0:01.8", "0:02.0", "0:02.2"]),
        (3600.0, 7200.0, ["1:00:00", "1:10:00", "1:20:00", "1:30:00", "1:40:00", "1:50:00"]),
    ],
)
def test_the_axis_has_round_times_in_their_places(begin: float, end: float, labels: list[str]) -> None:
    line = axis(begin, end, width=100)
    assert [label for label in line.replace("╵", " ").split() if label in labels] == labels
    for label in labels:
        seconds = 0.0
        for part in label.split(":"):
            seconds = 60 * seconds + float(part)
        assert line.index(f"╵{label}") == pytest.approx((seconds - begin) / (end - begin) * 100, abs=1)
