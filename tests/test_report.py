"""The page of `classify --report`: its content, its escaping, and the errors before the work starts."""

import base64
import hashlib
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.classify import SoundType, Unlabelled
from audiocnn_cli.classify.work import Classification, ModelChoice
from audiocnn_cli.inspection.occlusion import Why
from audiocnn_cli.inspection.work import Inspection
from audiocnn_cli.output.report import sound as report_sound
from audiocnn_cli.output.report.page import page_html
from audiocnn_cli.output.report.plots import why_uri
from audiocnn_cli.output.report.sound import read_sound
from audiocnn_cli.output.report.work import Pages
from tests.conftest import Finished
from tests.onnx_models import CONTRACT, write_good_model

Run = Callable[..., Finished]
MakeWav = Callable[..., Path]
HOSTILE = "<img src=x onerror=alert(1)>"
SCRIPT = "</script><script>alert(2)</script>"


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_good_model(tmp_path / "tiny.onnx")


class Page(HTMLParser):
    """The elements of a page as a browser's parser reads them."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.scripts: list[tuple[dict[str, str], str]] = []
        self._open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self._open.append("")

    def handle_data(self, data: str) -> None:
        if self._open[-1:] in (["script"], ["style"]):
            self.scripts.append((self.tags[-1][1] | {"tag": self.tags[-1][0]}, data))
        else:
            self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def data(self) -> Any:
        (text,) = [text for attributes, text in self.scripts if attributes.get("id") == "data"]
        return json.loads(text)


def content_of(uri: str) -> bytes:
    return base64.b64decode(uri.partition("base64,")[2])


def test_a_page_needs_nothing_else(run: Run, tiny: Path, make_wav: MakeWav, tmp_path: Path) -> None:
    report = tmp_path / "r.html"
    finished = run("classify", make_wav(rate=8000), "--model", tiny, "--report", report)
    assert finished.exit_code == 0
    assert str(report) in finished.stderr
    page = Page(report)
    for tag, attributes in page.tags:
        for name in ("src", "href", "srcset", "action", "poster"):
            assert attributes.get(name, "#").startswith(("data:", "#")), (tag, name)
        assert not any(name.startswith("on") or name == "style" for name in attributes), tag
    assert not page.all("link")
    assert not re.search(r"@import|url\(", "".join(text for _, text in page.scripts))


def test_only_its_own_scripts_may_run(run: Run, tiny: Path, make_wav: MakeWav, tmp_path: Path) -> None:
    run("classify", make_wav(rate=8000), "--model", tiny, "--report", tmp_path / "r.html")
    page = Page(tmp_path / "r.html")
    (policy,) = [meta["content"] for meta in page.all("meta") if "http-equiv" in meta]
    assert policy.startswith("default-src 'none';")
    running = [text for attributes, text in page.scripts if "type" not in attributes]
    assert len(running) == 2
    for text in running:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_hostile_names_labels_and_cards_are_only_text(run: Run, make_wav: MakeWav, tmp_path: Path) -> None:
    contract = replace(
        CONTRACT, labels=(SCRIPT, HOSTILE, "'\"&"), name=SCRIPT, task=HOSTILE, architecture=SCRIPT
    )
    path = write_good_model(tmp_path / "hostile.onnx", contract)
    path.with_suffix(".md").write_text(f"# {SCRIPT}\n{HOSTILE}")
    clip = make_wav(f"{HOSTILE}.wav", rate=8000)
    report = tmp_path / "r.html"
    assert run("classify", clip, "--model", path, "--report", report).exit_code == 0
    page = Page(report)
    assert not page.all("img")
    assert len(page.all("script")) == 2
    assert all(HOSTILE not in text for attributes, text in page.scripts)
    text = "".join(page.texts)
    assert f"{HOSTILE}.wav" in text
    assert SCRIPT in text
    assert set(page.data["probabilities"]["labels"]) == set(contract.labels)


@pytest.mark.parametrize("name", ["a\x1b[31m\n.wav", "żółć 音.wav", "{{ 7 * 7 }}.wav", "#?%41.wav"])
def test_any_file_name_makes_a_page(
    name: str, run: Run, tiny: Path, make_wav: MakeWav, tmp_path: Path
) -> None:
    clips = [make_wav(name, rate=8000), make_wav("other.wav", rate=8000)]
    assert run("classify", *clips, "--model", tiny, "--report", tmp_path / "r.html").exit_code == 0
    links = [a["href"] for a in Page(tmp_path / "r.html").all("a")]
    assert len(links) == 2
    for link in links:
        assert (tmp_path / link).is_file()
        assert Page(tmp_path / link).all("a")[0]["href"] == "../r.html"


def test_several_recordings_get_an_overview(run: Run, tiny: Path, make_wav: MakeWav, tmp_path: Path) -> None:
    clips = [make_wav(f"{i}/same.wav", rate=8000) for i in range(3)]
    report = tmp_path / "all.html"
    finished = run("classify", *clips, f"{HOSTILE}.wav", "--model", tiny, "--report", report, "--json")
    assert finished.exit_code == 1
    assert len(finished.document["results"]) == 3
    overview = Page(report)
    links = [a["href"] for a in overview.all("a")]
    assert len(set(links)) == 3
    assert all(link.startswith("all-pages/") and (tmp_path / link).is_file() for link in links)
    assert f"{HOSTILE}.wav" in "".join(overview.texts)
    assert not overview.all("img")


def test_the_sound_is_the_recordings(make_wav: MakeWav) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 700 * np.arange(44100 * 4) / 44100)
    clip = make_wav(samples=np.stack([tone, tone], axis=1), rate=44100)
    sound = read_sound(Source(str(clip)))
    samples, rate = soundfile.read(io.BytesIO(sound.mp3))
    assert len(samples) / rate == pytest.approx(4, abs=0.1)
    spectrum = np.abs(np.fft.rfft(samples[rate : 2 * rate]))
    assert spectrum.argmax() == 700
    assert sound.lows.min() == pytest.approx(-0.5, abs=0.01)
    assert sound.highs.max() == pytest.approx(0.5, abs=0.01)
    assert sound.duration_s == pytest.approx(4)
    assert sound.column_s * len(sound.levels) == pytest.approx(4, rel=0.02)


def test_of_a_long_recording_the_beginning_is_kept(
    run: Run, tiny: Path, make_wav: MakeWav, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_sound, "_MOST_BYTES", 12_000)
    clip = make_wav(samples=0.1 * np.random.default_rng(0).standard_normal(8000 * 9), rate=8000)
    sound = read_sound(Source(str(clip)))
    assert sound.kept_s == pytest.approx(3.0, abs=0.01)
    assert len(sound.mp3) < 13_500
    run("classify", clip, "--model", tiny, "--report", tmp_path / "r.html", "-j", "1")
    page = Page(tmp_path / "r.html")
    assert any("The page contains the first 0:03.0 of 0:09.0" in text for text in page.texts)
    assert page.data["kept"] == pytest.approx(3.0, abs=0.01)
    assert page.data["end"] == 9.0


def test_the_heat_map_lies_where_the_parts_are(make_wav: MakeWav) -> None:
    sound = read_sound(Source(str(make_wav(rate=24000))))
    drops = np.zeros((2, 3))
    drops[1, 2], drops[0, 1] = 0.5, -0.5
    drops[0, 0] = np.nan
    why = Why(
        label="x", times_s=(0.0, 0.5, 2.0), bands_hz=(0.0, 400.0, 3000.0, 12000.0),
        drops=drops, spans=(), segments=2, searched=1,
    )  # fmt: skip
    pixels = np.asarray(Image.open(io.BytesIO(content_of(why_uri(why, sound)))))
    height, width, _ = pixels.shape
    high_late, middle_early = pixels[0, -1], pixels[height // 2, 0]
    assert high_late[3] > 150
    assert high_late[0] > high_late[2]
    assert middle_early[3] > 150
    assert middle_early[2] > middle_early[0]
    assert pixels[0, 0, 3] == 0
    assert len(set(pixels[-1, 0, :3].tolist())) == 1  # not searched: grey
    turns = np.flatnonzero(np.diff(pixels[0, :, 3].astype(int)))
    assert turns.tolist() == [pytest.approx(width / 4 - 1, abs=1)]


def test_an_excerpt_keeps_the_times_of_the_recording(
    run: Run, tiny: Path, make_wav: MakeWav, tmp_path: Path
) -> None:
    report = tmp_path / "r.html"
    clip = make_wav(samples=0.1 * np.random.default_rng(0).standard_normal(8000 * 4), rate=8000)
    finished = run("classify", clip, "--model", tiny, "--offset", "1.5", "--report", report)
    assert finished.exit_code == 0
    data = Page(report).data
    assert (data["start"], data["end"], data["kept"]) == (1.5, 4.0, 2.5)
    assert data["probabilities"]["times"][0] == 1.5
    assert data["why"]["times"] == [1.5, 4.0]


def test_labels_can_be_written_beside_it(run: Run, tiny: Path, make_wav: MakeWav, tmp_path: Path) -> None:
    clip, report = make_wav(rate=8000), tmp_path / "r.html"
    finished = run("classify", clip, "--model", tiny, "--report", report, "--format", "audacity")
    assert finished.exit_code == 0
    assert len(finished.stdout.splitlines()[0].split("\t")) == 3
    assert report.is_file()


def test_what_can_not_be_written_is_an_error_first(run: Run, tiny: Path, tmp_path: Path) -> None:
    for report, code, words in (
        (tmp_path, 2, "name an .html file"),
        (tmp_path / "r.pdf", 2, "name an .html file"),
        (Path("/dev/null/r.html"), 3, "/dev/null"),
    ):
        finished = run("classify", "gone.wav", "--model", tiny, "--report", report)
        assert finished.exit_code == code
        assert words in finished.stderr
        assert "gone.wav" not in finished.stderr


def test_nothing_is_replaced_unless_forced(run: Run, tiny: Path, make_wav: MakeWav, tmp_path: Path) -> None:
    clip, report = make_wav(rate=8000), tmp_path / "r.html"
    report.write_text("mine")
    assert run("classify", clip, "--model", tiny, "--report", report).exit_code == 3
    assert report.read_text() == "mine"
    assert run("classify", clip, "--model", tiny, "--report", report, "--force").exit_code == 0
    other = make_wav("other.wav", rate=8000)
    (tmp_path / "s-pages").mkdir()
    finished = run("classify", clip, other, "--model", tiny, "--report", tmp_path / "s.html")
    assert finished.exit_code == 3
    assert "s-pages: exists already" in finished.stderr


def test_without_the_extra_the_error_names_it(
    run: Run, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audiocnn_cli.extras.find_spec", lambda name: None)
    finished = run("classify", "gone.wav", "--model", tiny, "--report", tmp_path / "r.html")
    assert finished.exit_code == 3
    assert "--report needs the [report] extra: pip install" in finished.stderr


def test_names_of_pages_differ_and_stay_in_their_folder(tmp_path: Path) -> None:
    pages = Pages(tmp_path / "r.html", several=True, force=False)
    names = ["a/b.wav", "a-b.wav", "../../etc/passwd", "..", "x" * 500, "\udcff.wav", ""]
    found = [pages.page_of(Source(f"/in/{name}", name)) for name in names]
    assert len(set(found)) == len(names)
    assert all(page.parent == tmp_path / "r-pages" and len(page.name) < 100 for page in found)


def test_why_there_is_no_label_is_on_the_page(tiny: Path, make_wav: MakeWav, tmp_path: Path) -> None:
    source = Source(str(make_wav(rate=8000)))
    work = Classification(models=(ModelChoice(tiny),))
    found = Inspection(classification=work, why=True).prepare()(source)
    gated = replace(
        found.prediction,
        labels=(),
        reason="this is speech, not music",
        events=(),
        unlabelled=(Unlabelled(0.0, 2.0, "this is speech, not music", "hum", 0.5),),
        sound_type=SoundType("speech", 0.97),
    )
    (model,) = work.ensemble().models
    assert found.why is not None
    (tmp_path / "r.html").write_text(page_html(gated, found.why, read_sound(source), model))
    text = " ".join("".join(Page(tmp_path / "r.html").texts).split())
    assert f"{source.name} this is speech, not music hum" in text
    assert "Type of sound: speech (0.97)." in text
    assert "(this is speech, not music)" in text


def test_doubts_have_their_candidate_on_the_page_and_in_the_overview(
    run: Run, tiny: Path, make_wav: MakeWav, tmp_path: Path
) -> None:
    clips = [make_wav(name, rate=8000) for name in ("a.wav", "b.wav")]
    arguments = ("classify", *clips, "--model", tiny, "--threshold", "1", "--report", tmp_path / "r.html")
    finished = run(*arguments, "--json")
    best = finished.document["results"][0]["top"][0]["label"]
    overview = Page(tmp_path / "r.html")
    assert overview.texts.count(f"{best}?") == 2
    assert "below the threshold " in "".join(overview.texts)
    first = sorted((tmp_path / "r-pages").iterdir())[0]
    page = Page(first)
    assert page.texts.count(f"{best}?") >= 2  # the heading and the table of parts
    assert "below the threshold" in page.texts
    rows = [attributes for attributes in page.all("tr") if attributes.get("class") == "reason"]
    assert len(rows) == len(page.data["parts"]) >= 1
    assert page.data["parts"][0]["start"] == 0.0
    assert page.data["parts"][-1]["end"] == 2.0
