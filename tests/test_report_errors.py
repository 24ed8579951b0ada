"""The page of `evaluate --report`: its content, its escaping, its bounds, and the excerpts in it."""

import base64
import hashlib
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.output.report import errors, excerpts
from audiocnn_cli.output.report.diagrams import reliability
from audiocnn_cli.output.report.errors import error_page
from audiocnn_cli.output.report.excerpts import Wanted, embed, window
from tests.conftest import Finished
from tests.onnx_models import CONTRACT, write_good_model
from tests.test_evaluation_tables import evaluation_of
from tests.test_report import HOSTILE, SCRIPT, Page

Run = Callable[..., Finished]
LABELS = (HOSTILE, "'\"&{{ 7 * 7 }}", "silence")
RATE = 8000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three classes of four clips, with names that are HTML."""
    random = np.random.default_rng(2)
    for label in LABELS:
        for i in range(4):
            path = tmp_path / "data" / label / f"{i} {HOSTILE}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, random.uniform(0, 0.3) * random.standard_normal(RATE), RATE)
    return tmp_path / "data"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_good_model(tmp_path / "m.onnx", replace(CONTRACT, labels=LABELS, name=SCRIPT, threshold=0.5))


@pytest.fixture
def made(run: Run, folder: Path, model: Path, tmp_path: Path) -> tuple[Page, Any]:
    """The page of the folder, and the document of the same evaluation."""
    (folder / LABELS[2] / "bad.wav").write_text("no audio")
    report = tmp_path / "r.html"
    finished = run("evaluate", folder, "--model", model, "--report", report, "--json")
    assert finished.exit_code == 1
    assert f"{report}: report written" in finished.stderr
    return Page(report), finished.document


def test_the_page_needs_nothing_else(made: tuple[Page, Any]) -> None:
    page, _ = made
    for tag, attributes in page.tags:
        for name in ("src", "href", "srcset", "action", "poster"):
            assert attributes.get(name, "#").startswith(("data:", "#")), (tag, name)
        assert not any(name.startswith("on") or name == "style" for name in attributes), tag
    assert not page.all("link")
    assert not re.search(r"@import|url\(", "".join(text for _, text in page.scripts))
    (policy,) = [meta["content"] for meta in page.all("meta") if "http-equiv" in meta]
    assert policy.startswith("default-src 'none';")
    running = [text for attributes, text in page.scripts if "type" not in attributes]
    assert len(running) == 2
    for text in running:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_names_and_labels_are_only_text(made: tuple[Page, Any]) -> None:
    page, _ = made
    assert not page.all("img")
    assert len(page.all("script")) == 2
    assert all(HOSTILE not in text for _, text in page.scripts)
    text = "".join(page.texts)
    assert all(name in text for name in (*LABELS, SCRIPT))
    assert page.data["labels"] == list(LABELS)


def test_the_figures_and_the_matrix_are_those_of_the_document(made: tuple[Page, Any]) -> None:
    page, document = made
    text = " ".join(" ".join(page.texts).split())
    wrong = sum(not each["correct"] for each in document["predictions"])
    assert f"{wrong} of 12 clips wrong" in text
    assert f"accuracy {document['accuracy']:.3f}" in text
    assert f"ECE {document['ece']:.3f}" in text
    assert "bad.wav" in text
    cells = {
        (int(button["data-true"]), int(button["data-predicted"])): button["aria-label"]
        for button in page.all("button")
        if "data-true" in button and "data-predicted" in button
    }
    matrix = np.array(document["confusion"]["matrix"])
    assert set(cells) == set(zip(*map(np.ndarray.tolist, np.nonzero(matrix)), strict=True))
    for (i, j), label in cells.items():
        assert label.startswith(f"{LABELS[i]} predicted as {LABELS[j]}: {matrix[i, j]} clip")


def test_every_clip_is_in_the_list_with_its_sound(made: tuple[Page, Any]) -> None:
    page, document = made
    expected = sorted(
        (
            f"{each['true']}/{Path(each['path']).name}",
            LABELS.index(each["true"]),
            LABELS.index(each["predicted"]),
            pytest.approx(each["probability"], abs=1e-4),
            each["reason"] or "",
        )
        for each in document["predictions"]
    )
    listed = sorted(
        (name, true, found, p, reason) for name, true, found, p, _, reason, _ in page.data["clips"]
    )
    assert [tuple(each) for each in listed] == expected
    assert set(page.data["sounds"]) == {str(key) for key in range(12)}
    for key, (mp3, start, length, duration) in page.data["sounds"].items():
        samples, rate = soundfile.read(io.BytesIO(base64.b64decode(mp3)))
        assert (start, length, duration) == (0, 1, 1)
        assert len(samples) / rate == pytest.approx(1, abs=0.1)
        assert page.data["clips"][int(key)][0]


def test_wrong_clips_have_room_first(
    run: Run, folder: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = len(embed([Wanted(0, Source(str(next(folder.rglob("*.wav")))))])[0].mp3)
    finished = run("evaluate", folder, "--model", model, "--report", tmp_path / "all.html", "--json")
    wrong = sum(not each["correct"] for each in finished.document["predictions"])
    assert 0 < wrong < 11
    monkeypatch.setattr(excerpts, "MOST_BYTES", int(one * (wrong + 1.5)))
    run("evaluate", folder, "--model", model, "--report", tmp_path / "r.html")
    page = Page(tmp_path / "r.html")
    embedded = {int(key) for key in page.data["sounds"]}
    is_wrong = [true != predicted for _, true, predicted, *_ in page.data["clips"]]
    assert {key for key, each in enumerate(is_wrong) if each} <= embedded
    assert wrong <= len(embedded) < 12
    assert f"the sound of {len(embedded)} of 12 clips, the wrong ones first" in " ".join(
        "".join(page.texts).split()
    )


def test_of_very_many_clips_the_wrong_ones_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "MOST_CLIPS", 30)
    html = error_page(evaluation_of(("a", "b", "c"), 60), Path("data"))
    data = json.loads(html.partition('id="data">')[2].partition("</script>")[0])
    assert len(data["clips"]) == 30
    assert all(true != predicted for _, true, predicted, *_ in data["clips"])
    assert "It lists 30 of the 90." in html


def test_more_labels_than_fit_into_a_matrix_are_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "MOST_LABELS", 5)
    labels = tuple(f"class {i}" for i in range(6))
    evaluation = evaluation_of(labels, 12)
    html = error_page(evaluation, Path("data"))
    assert 'id="matrix"' not in html
    assert "Most frequent confusions" in html
    counts = np.array(evaluation.clips.counts)
    assert html.count("<tr><td>class") == np.count_nonzero(counts - np.diag(np.diag(counts)))


def test_labels_that_do_not_occur_are_left_out_of_the_matrix() -> None:
    evaluation = evaluation_of(("a", "b", "c"), 9)
    clips = replace(evaluation.clips, labels=("a", "b", "c", "unused"))
    wider = tuple((*row, 0) for row in evaluation.clips.counts)
    html = error_page(replace(evaluation, clips=replace(clips, counts=(*wider, (0, 0, 0, 0)))), Path("data"))
    assert "predicted unused" not in html
    assert "1 of the 4 labels occur neither as a class nor as a prediction" in html


def test_the_diagram_has_the_bins_of_the_calibration() -> None:
    calibration = evaluation_of(("a", "b", "c"), 90).calibration
    shapes = reliability(calibration)
    filled = [each for each in calibration.bins if each.n]
    assert len(shapes) == len(filled)
    for shape, each in zip(shapes, filled, strict=True):
        assert each.accuracy is not None
        assert shape.accuracy_height == pytest.approx(100 * each.accuracy, abs=0.01)
        assert shape.accuracy_y + shape.accuracy_height == pytest.approx(100, abs=0.02)
        assert shape.text.startswith(f"probability {each.low:.2f} to {each.high:.2f}: {each.n} clip")
    assert max(shape.count_height for shape in shapes) == 22


@pytest.mark.parametrize(
    ("duration_s", "evidence_s", "expected"),
    [
        (3.0, (1.0, 2.0), (0.0, 3.0)),
        (12.0, (9.0, 12.0), (0.0, 12.0)),
        (60.0, (20.0, 23.0), (16.5, 10.0)),
        (60.0, (0.0, 3.0), (0.0, 10.0)),
        (60.0, (57.0, 60.0), (50.0, 10.0)),
        (60.0, None, (0.0, 10.0)),
    ],
)
def test_the_part_that_is_embedded(
    duration_s: float, evidence_s: tuple[float, float] | None, expected: tuple[float, float]
) -> None:
    assert window(duration_s, evidence_s) == pytest.approx(expected)


def test_of_a_long_recording_the_evidence_is_embedded(tmp_path: Path) -> None:
    """Three tones of 20 s each; the evidence is in the second."""
    tones = [0.5 * np.sin(2 * np.pi * hz * np.arange(20 * RATE) / RATE) for hz in (300, 700, 1500)]
    soundfile.write(tmp_path / "long.wav", np.concatenate(tones), RATE)
    found = embed([Wanted(7, Source(str(tmp_path / "long.wav")), (28.0, 31.0))])[7]
    assert (found.start_s, found.length_s, found.duration_s) == pytest.approx((24.5, 10, 60))
    assert len(found.mp3) < 70_000
    samples, rate = soundfile.read(io.BytesIO(found.mp3))
    assert len(samples) / rate == pytest.approx(10, abs=0.15)
    assert np.abs(np.fft.rfft(samples[rate : 2 * rate])).argmax() == 700


def test_clips_that_can_not_be_read_are_left_out(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(RATE), RATE)
    (tmp_path / "b.wav").write_text("no audio")
    wanted = [
        Wanted(i, Source(str(tmp_path / name))) for i, name in enumerate(("b.wav", "gone.wav", "a.wav"))
    ]
    assert set(embed(wanted)) == {2}


def test_without_mp3_the_page_states_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soundfile, "available_formats", lambda: {"WAV": "WAV"})
    html = error_page(evaluation_of(("a", "b"), 3), Path("data"))
    assert "The page has no sound: the installed libsndfile can&#39;t write MP3." in html


def test_what_can_not_be_written_is_an_error_first(
    run: Run, folder: Path, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.html").write_text("mine")
    for report, code, words in (
        (tmp_path, 2, "name an .html file"),
        (tmp_path / "r.pdf", 2, "name an .html file"),
        (Path("/dev/null/r.html"), 3, "/dev/null"),
        (tmp_path / "mine.html", 3, "exists already"),
    ):
        finished = run("evaluate", folder, "--model", model, "--report", report)
        assert (finished.exit_code, finished.stdout) == (code, "")
        assert words in finished.stderr
    assert (tmp_path / "mine.html").read_text() == "mine"
    assert (
        run("evaluate", folder, "--model", model, "--report", tmp_path / "mine.html", "--force").exit_code
        == 0
    )


def test_without_the_extra_the_error_names_it(
    run: Run, folder: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiocnn_cli.extras.find_spec", lambda name: None)
    finished = run("evaluate", folder, "--model", model, "--report", tmp_path / "r.html")
    assert finished.exit_code == 3
    assert "--report needs the [report] extra: pip install" in finished.stderr


def test_it_does_not_go_with_all(run: Run, tmp_path: Path) -> None:
    finished = run("evaluate", "--all", tmp_path, "--report", tmp_path / "r.html")
    assert finished.exit_code == 2
    assert "combined with --model, --jobs and --timeout only" in finished.stderr
