"""The page of `evaluate --report` in a real browser: Debian's Chromium, driven by Playwright."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from tests import test_report_browser as others
from tests.onnx_models import CONTRACT, write_good_model
from tests.test_evaluation_regression import write_regressor
from tests.test_report_browser import HOSTILE, SCRIPT, WIDTHS, until, watch

pytestmark = pytest.mark.browser
browser, page = others.browser, others.page

LABELS = (HOSTILE, "'\"& rain", "silence")
RATE = 8000
LEAST_CONTRAST = 4.5


def evaluate(*arguments: str | Path) -> Any:
    command = [sys.executable, "-m", "audiocnn_cli", "evaluate", *arguments, "--json"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages and documents of a classifier and of a regression model."""
    folder = tmp_path_factory.mktemp("errors")
    random = np.random.default_rng(2)
    for label in LABELS:
        for i in range(8):
            path = folder / "data" / label / f"{i} {HOSTILE}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            seconds = 30 if i == 7 else 2
            tone = np.sin(2 * np.pi * random.uniform(50, 3500) * np.arange(RATE * seconds) / RATE)
            noise = 10 ** random.uniform(-4, 0) * random.standard_normal(RATE * seconds)
            clip = 10 ** random.uniform(-3, -1) * (tone + noise)
            soundfile.write(path, np.clip(clip, -1, 1), RATE, subtype="FLOAT")
    model = write_good_model(folder / "m.onnx", replace(CONTRACT, labels=LABELS, name=SCRIPT, threshold=0.5))
    document = evaluate(folder / "data", "--model", model, "--report", folder / "errors.html")
    (folder / "errors.json").write_text(json.dumps(document))
    table = []
    for each in document["predictions"]:
        name = Path(each["path"]).relative_to(folder / "data").as_posix().replace('"', '""')
        table.append(f'"{name}",{random.uniform(-300, 0):.2f}')
    (folder / "targets.csv").write_text("path,value\n" + "\n".join(table))
    regressor = write_regressor(folder / "r.onnx")
    arguments = (folder / "data", "--model", regressor, "--targets", folder / "targets.csv")
    values = evaluate(*arguments, "--report", folder / "values.html")
    (folder / "values.json").write_text(json.dumps(values))
    return folder


def document_of(folder: Path, name: str) -> Any:
    return json.loads((folder / f"{name}.json").read_text())


def show(page: Any, path: Path, fragment: str = "") -> None:
    page.goto(path.as_uri() + fragment)
    until(page, "document.documentElement.dataset.ready === 'true'")


def listed(page: Any) -> list[list[str]]:
    """The texts of the cells of the list, without the buttons."""
    return [
        [cell.strip() for cell in row.locator("td").all_inner_texts()][1:]
        for row in page.locator("#clips tbody tr").all()
    ]


def names(page: Any) -> list[str]:
    return [row[0] for row in listed(page)]


def name_of(each: Any) -> str:
    return f"{each['true']}/{Path(each['path']).name}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_it_is_quiet_and_fits(browser: Any, folder: Path, scheme: str, width: str) -> None:
    across, down = WIDTHS[width]
    context = browser.new_context(color_scheme=scheme, viewport={"width": across, "height": down})
    for name in ("errors", "values"):
        tab = context.new_page()
        messages: list[str] = []
        watch(tab, messages)
        show(tab, folder / f"{name}.html", "#show=all")
        assert messages == []
        assert tab.evaluate("document.documentElement.scrollWidth") <= across
    context.close()


def test_names_and_labels_are_only_text(page: Any, folder: Path) -> None:
    show(page, folder / "errors.html", "#show=all")
    assert page.locator("img").count() == 0
    assert page.locator(".file").inner_text().startswith(SCRIPT)
    assert page.locator("#matrix tbody th").all_inner_texts() == list(LABELS)
    assert all(HOSTILE in name for name in names(page))


def test_it_opens_with_the_wrong_clips_of_the_highest_probability_first(page: Any, folder: Path) -> None:
    show(page, folder / "errors.html")
    wrong = [each for each in document_of(folder, "errors")["predictions"] if not each["correct"]]
    expected = sorted(wrong, key=lambda each: -each["probability"])
    assert names(page) == [name_of(each) for each in expected]
    for row, each in zip(listed(page), expected, strict=True):
        assert row[1] == each["true"]
        assert row[2].splitlines()[0] == each["predicted"]
        assert ("no label: below the threshold" in row[2]) is each["abstained"]
        assert row[3] == f"{each['probability']:.2f}"


def test_a_click_on_a_cell_lists_its_clips(page: Any, folder: Path) -> None:
    show(page, folder / "errors.html")
    predictions = document_of(folder, "errors")["predictions"]
    cells = page.locator("#matrix td button")
    assert cells.count() >= 4
    for cell in cells.all():
        true, predicted = (LABELS[int(cell.get_attribute(f"data-{n}"))] for n in ("true", "predicted"))
        cell.click()
        expected = [
            name_of(each) for each in predictions if (each["true"], each["predicted"]) == (true, predicted)
        ]
        assert sorted(names(page)) == sorted(expected)
        assert len(expected) == int(cell.inner_text())
        assert page.locator("#list-title").inner_text() == f"Clips: {true} predicted as {predicted}"
        assert cell.get_attribute("aria-pressed") == "true"
    page.locator("#reset").click()
    assert page.locator("#list-title").inner_text() == "Wrong clips"


def test_rows_columns_and_correct_clips_are_listed_too(page: Any, folder: Path) -> None:
    show(page, folder / "errors.html")
    predictions = document_of(folder, "errors")["predictions"]
    page.locator("#matrix tbody th button").nth(1).click()
    assert sorted(names(page)) == sorted(name_of(each) for each in predictions if each["true"] == LABELS[1])
    column = page.locator("#matrix thead th button").nth(2)
    column.click()
    of_column = [each for each in predictions if each["predicted"] == LABELS[2]]
    assert sorted(names(page)) == sorted(map(name_of, of_column))
    for show_name, holds in (
        ("correct", lambda each: each["correct"]),
        ("doubt", lambda each: each["abstained"]),
        ("all", lambda each: True),
    ):
        page.locator("#reset").click() if page.locator("#reset").is_visible() else None
        page.locator(f"[data-show={show_name}]").click()
        assert sorted(names(page)) == sorted(name_of(each) for each in predictions if holds(each))
        count = page.locator(f"[data-show={show_name}]").inner_text()
        assert count.endswith(f"({len(names(page))})")


def test_the_keyboard_reaches_cells_and_clips(page: Any, folder: Path) -> None:
    show(page, folder / "errors.html")
    page.locator("#matrix tbody th button").first.focus()
    page.keyboard.press("ArrowRight")
    focused = "document.activeElement"
    assert page.evaluate(f"{focused}.closest('td') !== null")
    label = page.evaluate(f"{focused}.getAttribute('aria-label')")
    page.keyboard.press("Enter")
    count = int(label.rpartition(": ")[2].split()[0])
    assert len(names(page)) == count
    assert page.evaluate(f"{focused}.id") == "list-title"
    page.locator("[data-show=all]").click()
    page.locator("#reset").click() if page.locator("#reset").is_visible() else None
    page.locator("[data-show=all]").click()
    page.locator(".play").first.focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate(f"[...document.querySelectorAll('.play')].indexOf({focused})") == 1
    page.keyboard.press("Enter")
    until(page, "!document.getElementById('audio').paused")


def test_a_clip_is_played_and_described(page: Any, folder: Path) -> None:
    show(page, folder / "errors.html", "#show=all")
    button = page.locator(".play").nth(3)
    button.click()
    until(page, "!document.getElementById('audio').paused")
    until(page, "document.getElementById('audio').currentTime > 0.2")
    assert page.locator("#clips tr.now").count() == 1
    assert button.inner_text() == "\u23f8"
    row = listed(page)[3]
    shown = page.locator("#readout").inner_text()
    assert row[0] in shown
    assert f"true {row[1]}" in shown
    button.click()
    until(page, "document.getElementById('audio').paused")
    until(page, "document.querySelector('#clips tr.now .play').textContent === '\u25b6'")


def test_of_a_long_clip_the_evidence_is_played(page: Any, folder: Path) -> None:
    show(page, folder / "errors.html", "#show=all&sort=path&order=down")
    page.locator("tr", has_text=f"7 {HOSTILE}.wav").first.locator(".play").click()
    until(page, "document.getElementById('audio').readyState >= 1")
    assert page.evaluate("document.getElementById('audio').duration") == pytest.approx(10, abs=0.2)
    assert " of 0:30.0: " in page.locator("#readout").inner_text()


@pytest.mark.parametrize(("column", "index"), [("probability", 3), ("truth", 4), ("path", 0), ("true", 1)])
def test_columns_sort_both_ways(page: Any, folder: Path, column: str, index: int) -> None:
    show(page, folder / "errors.html", "#show=all&sort=predicted")
    header = page.locator(f"[data-sort={column}]")
    header.click()
    first = [row[index] for row in listed(page)]
    order = header.locator("xpath=..").get_attribute("aria-sort")
    assert first == sorted(first, reverse=order == "descending")
    header.click()
    assert header.locator("xpath=..").get_attribute("aria-sort") != order
    assert [row[index] for row in listed(page)] == first[::-1]


def test_the_address_holds_what_is_listed(page: Any, folder: Path) -> None:
    show(page, folder / "errors.html")
    cell = page.locator("#matrix td button").first
    cell.click()
    page.locator("[data-sort=path]").click()
    expected, address = listed(page), page.url
    page.goto("about:blank")
    page.goto(address)
    until(page, "document.documentElement.dataset.ready === 'true'")
    assert listed(page) == expected
    assert page.locator("#matrix td button").first.get_attribute("aria-pressed") == "true"
    page.locator("[data-show=wrong]").click()
    assert listed(page) != expected
    page.go_back()
    until(page, "document.querySelector('[data-show=all]').getAttribute('aria-pressed') === 'true'")
    assert listed(page) == expected


@pytest.mark.parametrize(
    "fragment", ["#show=x&true=y&sort=z&order=q", "#%", "#true=__proto__", "#sort=toString"]
)
def test_an_address_that_makes_no_sense_is_the_default(page: Any, folder: Path, fragment: str) -> None:
    show(page, folder / "errors.html")
    expected = listed(page)
    page.goto("about:blank")
    show(page, folder / "errors.html", fragment)
    assert listed(page) == expected


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_cells_can_be_read_and_distinguished(browser: Any, folder: Path, scheme: str) -> None:
    """Contrast as WCAG 2 has it; blue and orange of one level differ for each kind of colour blindness."""
    context = browser.new_context(color_scheme=scheme, viewport={"width": 1200, "height": 900})
    tab = context.new_page()
    show(tab, folder / "errors.html")
    for level in range(1, 6):
        colours = {}
        for kind in "ce":
            found = tab.evaluate(
                f"""(() => {{
                  const cell = document.querySelector('#matrix td button').closest('td');
                  cell.className = '{kind}{level} l{level}';
                  const style = getComputedStyle(cell);
                  return [style.backgroundColor, getComputedStyle(cell.firstChild).color];
                }})()"""
            )
            back, text = (np.array([int(n) for n in each[4:-1].split(",")]) / 255 for each in found)
            assert contrast(back, text) >= LEAST_CONTRAST, (kind, level)
            colours[kind] = back
        for name, matrix in COLOUR_BLINDNESS.items():
            seen = [matrix @ linear(colours[kind]) for kind in "ce"]
            assert np.linalg.norm(lab(seen[0]) - lab(seen[1])) > 15, (name, level)
    context.close()


# Machado, Oliveira and Fernandes, IEEE Transactions on Visualization and Computer Graphics 15(6), 2009, for
# linear RGB at severity 1.
COLOUR_BLINDNESS = {
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def linear(colour: NDArray[Any]) -> NDArray[Any]:
    return np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)


def contrast(one: NDArray[Any], other: NDArray[Any]) -> float:
    darker, lighter = sorted(float(linear(each) @ [0.2126, 0.7152, 0.0722]) for each in (one, other))
    return (lighter + 0.05) / (darker + 0.05)


def lab(rgb: NDArray[Any]) -> NDArray[Any]:
    """CIE L*a*b* of linear sRGB, for the white point D65."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(np.clip(to_xyz @ rgb / [0.9505, 1.0, 1.089], 0.008856, None))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_values_are_listed_by_the_size_of_the_error(page: Any, folder: Path) -> None:
    show(page, folder / "values.html")
    predictions = document_of(folder, "values")["predictions"]
    expected = sorted(predictions, key=lambda each: -abs(each["error"]))
    below = [Path(each["path"]).relative_to(folder / "data").as_posix() for each in expected]
    assert names(page) == below
    for row, each in zip(listed(page), expected, strict=True):
        assert float(row[3]) == pytest.approx(each["error"], abs=0.6)
    page.locator("[data-sort=value]").click()
    values = [float(row[1]) for row in listed(page)]
    assert values == sorted(values)


def test_a_click_on_a_point_plays_its_clip(page: Any, folder: Path) -> None:
    show(page, folder / "values.html")
    assert page.locator(".point").count() == 24
    page.evaluate(
        "document.querySelectorAll('.point')[5].dispatchEvent(new MouseEvent('click', {bubbles: true}))"
    )
    until(page, "!document.getElementById('audio').paused")
    assert page.locator("#readout").inner_text().startswith(names(page)[5])
    assert page.locator(".point.now").count() == 1


def test_more_than_a_page_of_clips_is_shown_on_request(page: Any, folder: Path) -> None:
    source = (folder / "errors.html").read_text()
    start = source.index('id="data">') + len('id="data">')
    end = source.index("</script>", start)
    data = json.loads(source[start:end])
    data["clips"] = data["clips"] * 20
    data["sounds"] = {}
    text = json.dumps(data).replace("<", "\\u003c")
    (folder / "many.html").write_text(source[:start] + text + source[end:])
    show(page, folder / "many.html", "#show=all")
    assert page.locator("#clips tbody tr").count() == 200
    assert page.locator("#count").inner_text() == "480 clips, the first 200 shown"
    page.locator("#more").click()
    page.locator("#more").click()
    assert page.locator("#clips tbody tr").count() == 480
    assert page.locator("#more").is_hidden()
    assert page.locator(".play").count() == 0
