"""The page of `classify --report` in a real browser: Debian's Chromium, driven by Playwright."""

import base64
import io
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from PIL import Image

from tests.onnx_models import CONTRACT, write_good_model

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=alert(1)>"
SCRIPT = "</script><script>alert(2)</script>"
WIDTHS = {"desktop": (1200, 900), "phone": (390, 844), "small phone": (320, 568)}
SECONDS = 12


def classify(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "audiocnn_cli", "classify", *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages of one recording, and of several, by a model and with names that are HTML."""
    folder = tmp_path_factory.mktemp("report")
    labels = (SCRIPT, HOSTILE, "silence")
    model = write_good_model(folder / "m.onnx", replace(CONTRACT, labels=labels, name=SCRIPT))
    model.with_suffix(".md").write_text(f"# {SCRIPT}\n{HOSTILE}")
    random = np.random.default_rng(8)
    for name in (f"{HOSTILE}.wav", "second.wav"):
        loudness = np.repeat(random.uniform(0.01, 0.4, SECONDS * 2), 4000)
        samples = loudness * random.standard_normal(SECONDS * 8000)
        soundfile.write(folder / name, np.clip(samples, -1, 1), 8000)
    classify(folder / f"{HOSTILE}.wav", "--model", model, "--report", folder / "one.html")
    clips = sorted(folder.glob("*.wav"))
    classify(*clips, "--model", model, "--report", folder / "all.html")
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    assert path, "there is no chromium; `make test-browser` installs Debian's"
    with sync_playwright() as playwright:
        # As root Chromium has no sandbox; it only opens pages that were made here.
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A tab that fails the test for any message, dialog, error or request."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    opened = context.new_page()
    messages: list[str] = []
    watch(opened, messages)
    yield opened
    assert messages == []
    context.close()


def watch(page: Any, messages: list[str]) -> None:
    page.on("console", lambda message: messages.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: messages.append(f"error: {error}"))
    page.on("dialog", lambda dialog: messages.append(f"dialog: {dialog.message}"))
    page.on("request", lambda request: messages.extend(leaving(request.url)))


def leaving(url: str) -> list[str]:
    return [] if url.startswith(("file:", "data:", "blob:")) else [url]


def until(page: Any, holds: str) -> None:
    """Wait for a condition; Playwright's own way is an eval, which the page's policy forbids."""
    for _ in range(200):
        if page.evaluate(holds):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"never: {holds}")


def show(page: Any, path: Path) -> None:
    page.goto(path.as_uri())
    until(page, "document.querySelectorAll('.layer').length === 3")
    until(page, "document.getElementById('audio').readyState >= 1")


def time_of(page: Any) -> float:
    return float(page.evaluate("document.getElementById('audio').currentTime"))


def middle(page: Any, plot: str, share: float) -> tuple[float, float]:
    box = page.locator(f"#{plot} .layer").bounding_box()
    return box["x"] + share * box["width"], box["y"] + box["height"] / 2


def drawn(page: Any, plot: str) -> NDArray[Any]:
    """The pixels of a plot, shape (height, width, 4)."""
    uri = page.evaluate(f"document.querySelector('#{plot} canvas').toDataURL()")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_it_is_quiet_and_fits(browser: Any, folder: Path, scheme: str, width: str, tmp_path: Path) -> None:
    across, down = WIDTHS[width]
    context = browser.new_context(color_scheme=scheme, viewport={"width": across, "height": down})
    for name in ("one.html", "all.html"):
        page = context.new_page()
        messages: list[str] = []
        watch(page, messages)
        page.goto((folder / name).as_uri())
        page.wait_for_timeout(300)
        assert messages == []
        assert page.evaluate("document.documentElement.scrollWidth") <= across
        light = page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(15, 20, 26)"
        assert light is (scheme == "light")
    context.close()


def test_names_and_labels_are_only_text(page: Any, folder: Path) -> None:
    show(page, folder / "one.html")
    assert page.locator("img").count() == 0
    assert page.locator(".file").inner_text() == f"{HOSTILE}.wav"
    labels = page.locator("#legend button").all_inner_texts()
    assert set(labels) == {SCRIPT, HOSTILE, "silence"}
    page.locator("summary").click()
    assert HOSTILE in page.locator("pre").inner_text()


@pytest.mark.parametrize("plot", ["wave", "spectrogram", "probabilities"])
def test_a_click_plays_from_there(page: Any, folder: Path, plot: str) -> None:
    show(page, folder / "one.html")
    page.locator(f"#{plot}").scroll_into_view_if_needed()
    page.mouse.click(*middle(page, plot, 0.5))
    until(page, "!document.getElementById('audio').paused")
    assert time_of(page) == pytest.approx(SECONDS / 2, abs=0.5)
    until(page, f"document.getElementById('audio').currentTime > {SECONDS / 2 + 0.2}")
    at = float(page.locator(f"#{plot} .layer").get_attribute("aria-valuenow"))
    assert SECONDS / 2 < at < SECONDS / 2 + 2


def test_the_keyboard_does_all_of_it(page: Any, folder: Path) -> None:
    show(page, folder / "one.html")
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('role')") == "slider":
            break
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Waveform: position"
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    assert time_of(page) == pytest.approx(2)
    page.keyboard.press("Shift+ArrowRight")
    assert time_of(page) == pytest.approx(SECONDS)
    page.keyboard.press("Home")
    assert time_of(page) == 0
    page.keyboard.press("Space")
    until(page, "!document.getElementById('audio').paused")
    page.keyboard.press("Space")
    until(page, "document.getElementById('audio').paused")
    assert page.locator("#whole").is_disabled()
    page.keyboard.press("+")
    assert page.locator("#whole").is_enabled()
    page.locator("#whole").focus()
    page.keyboard.press("Enter")
    assert page.locator("#whole").is_disabled()


def test_dragging_zooms_all_plots_and_does_not_play(page: Any, folder: Path) -> None:
    show(page, folder / "one.html")
    page.mouse.move(*middle(page, "spectrogram", 0.5))
    page.mouse.down()
    page.mouse.move(*middle(page, "spectrogram", 0.75), steps=5)
    page.mouse.up()
    assert page.locator("#whole").is_enabled()
    assert page.evaluate("document.getElementById('audio').paused")
    page.mouse.click(*middle(page, "wave", 0.5))
    assert time_of(page) == pytest.approx(SECONDS * 0.625, abs=0.1)


def test_the_pointer_shows_the_probabilities_at_its_time(page: Any, folder: Path) -> None:
    show(page, folder / "one.html")
    assert page.locator(".cursor:visible").count() == 0
    page.mouse.move(*middle(page, "spectrogram", 0.5))
    assert page.locator(".cursor:visible").count() == 3
    shown = page.locator("#readout").inner_text()
    assert shown.startswith("0:06.0")
    assert "silence 0." in shown
    page.mouse.move(2, 2)
    assert page.locator(".cursor:visible").count() == 0


def test_a_double_click_shows_the_whole_recording(page: Any, folder: Path) -> None:
    show(page, folder / "one.html")
    before = drawn(page, "wave")
    page.locator("#wave .layer").focus()
    page.keyboard.press("+")
    assert (drawn(page, "wave") != before).any()
    page.mouse.dblclick(*middle(page, "wave", 0.5))
    assert page.locator("#whole").is_disabled()
    assert (drawn(page, "wave") == before).all()


def test_a_tap_plays_from_there(browser: Any, folder: Path) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = context.new_page()
    show(page, folder / "one.html")
    page.locator("#probabilities").scroll_into_view_if_needed()
    page.touchscreen.tap(*middle(page, "probabilities", 0.5))
    until(page, "!document.getElementById('audio').paused")
    assert time_of(page) == pytest.approx(SECONDS / 2, abs=0.5)
    context.close()


def test_events_and_parts_play_from_their_start(page: Any, folder: Path) -> None:
    show(page, folder / "one.html")
    for button in ("#event-table tbody tr:last-child .seek", ".spans .seek >> nth=0"):
        where = float(page.locator(button).get_attribute("data-at"))
        page.locator(button).click()
        assert time_of(page) == pytest.approx(where, abs=0.5)
    assert page.locator("#event-table tr.now").count() <= 1


def test_what_is_drawn_is_there(page: Any, folder: Path) -> None:
    show(page, folder / "one.html")
    page.wait_for_timeout(300)
    with_why = drawn(page, "spectrogram")
    assert len(set(map(tuple, with_why.reshape(-1, 4).tolist()))) > 200
    page.locator("#show-why").uncheck()
    assert page.locator("#why-key").is_hidden()
    page.wait_for_timeout(100)
    assert (drawn(page, "spectrogram") != with_why).any(axis=-1).mean() > 0.01
    lines = drawn(page, "probabilities")
    page.locator("#legend button").first.click()
    assert page.locator("#legend button").first.get_attribute("aria-pressed") == "false"
    page.wait_for_timeout(100)
    assert (drawn(page, "probabilities") != lines).any()


def test_the_overview_leads_to_each_page_and_back(page: Any, folder: Path) -> None:
    page.goto((folder / "all.html").as_uri())
    assert page.locator("tbody a").all_inner_texts() == [f"{HOSTILE}.wav", "second.wav"]
    page.locator("tbody a").first.click()
    page.wait_for_selector("#spectrogram canvas")
    assert page.locator(".file").inner_text() == f"{HOSTILE}.wav"
    page.locator(".up a").click()
    page.wait_for_selector("tbody a")


def test_the_page_of_a_song_of_three_minutes_is_small(page: Any, tmp_path: Path) -> None:
    random = np.random.default_rng(9)
    song = tmp_path / "song.flac"
    with soundfile.SoundFile(song, "w", 44100, 2) as stream:
        for _ in range(180):
            stream.write(0.1 * random.standard_normal((44100, 2)))
    classify(song, "--report", tmp_path / "song.html")
    assert (tmp_path / "song.html").stat().st_size <= 3_000_000
    show(page, tmp_path / "song.html")
    assert page.evaluate("document.getElementById('audio').duration") == pytest.approx(180, abs=0.2)
    page.mouse.click(*middle(page, "wave", 0.9))
    until(page, "document.getElementById('audio').currentTime > 162.2")
