"""What `audiocnn shapes` prints beside the table: clips, explanations, the example, comparisons, drawings."""

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.signal

from audiocnn_cli.shapes.choices import architecture_names
from audiocnn_cli.shapes.grammar import read_layer, show_layer
from audiocnn_cli.shapes.stackfile import architecture
from audiocnn_cli.shapes.worked import read_grid, work_by_hand
from tests.conftest import Finished

Run = Callable[..., Finished]


def test_a_clips_frames_by_each_rule(run: Run) -> None:
    arguments = ("shapes", "--samples", "51200", "--hop", "512", "--n-mfcc", "13")
    printed = run(*arguments).stdout
    for shape in ("100 x 13 x 1", "101 x 13 x 1", "97 x 13 x 1"):
        assert shape in printed
    assert "librosa centres" in printed
    document = run(*arguments, "--json").document
    assert [count["frames"] for count in document["frames"]] == [100, 101, 97]
    assert document["input"] == [100, 13, 1]
    rows = list(csv.DictReader(io.StringIO(run(*arguments, "--csv").stdout)))
    assert [row["shape"] for row in rows] == ["100x13x1", "101x13x1", "97x13x1"]


@pytest.mark.parametrize(
    ("samples", "n_fft", "hop"), [(51200, 2048, 512), (66150, 1024, 441), (5000, 512, 7)]
)
def test_frames_are_librosas(samples: int, n_fft: int, hop: int, run: Run) -> None:
    arguments = ("--samples", str(samples), "--n-fft", str(n_fft), "--hop", str(hop))
    counts = run("shapes", *arguments, "--json").document["frames"]
    signal = np.zeros(samples)
    centred = np.pad(signal, n_fft // 2)
    expected = [
        len(range(0, samples - hop + 1, hop)),
        len(np.lib.stride_tricks.sliding_window_view(centred, n_fft)[::hop]),
        len(np.lib.stride_tricks.sliding_window_view(signal, n_fft)[::hop]),
    ]
    assert [count["frames"] for count in counts] == expected


def test_a_clip_as_the_input_of_a_stack(run: Run) -> None:
    arguments = ("--seconds", "3", "--sr", "22050", "--hop", "512", "--n-mfcc", "13")
    document = run("shapes", "--arch", "cnn", *arguments, "--json").document
    assert document["input"] == [130, 13, 1]
    first = document["layers"][0]
    assert first["receptive_field_ms"] == pytest.approx(1000 * (2 * 512 + 2048) / 22050)
    assert first["jump_ms"] == pytest.approx(1000 * 512 / 22050)
    # The shortest clip gets through, and one frame less does not.
    frames = document["clip"]["shortest_frames"]
    assert run("shapes", "--arch", "cnn", "--input", f"{frames}x13x1").exit_code == 0
    assert run("shapes", "--arch", "cnn", "--input", f"{frames - 1}x13x1").exit_code == 1
    samples = document["clip"]["shortest_samples"]
    assert run("shapes", "--arch", "cnn", "--samples", str(samples)).exit_code == 0
    assert run("shapes", "--arch", "cnn", "--samples", str(samples - 1)).exit_code == 1
    assert run("shapes", "--arch", "lstm", *arguments, "--json").document["input"] == [130, 13]


def test_frequency_bins_have_a_width_in_hz(run: Run) -> None:
    arguments = ("--seconds", "1", "--sr", "16000", "--n-fft", "512", "--hop", "160", "--stft")
    document = run("shapes", *arguments, "conv:8@3x5", "--json").document
    assert document["input"] == [101, 257, 1]
    assert document["layers"][0]["receptive_field_hz"] == pytest.approx(5 * 16000 / 512)


def test_a_waveform_is_one_dimensional(run: Run) -> None:
    arguments = ("--like", "waveform", "--seconds", "1", "--sr", "16000")
    document = run("shapes", *arguments, "conv:8@64/4", "pool:4", "--json").document
    assert document["input"] == [16000, 1]
    assert document["layers"][1]["output"] == [996, 8]
    assert document["layers"][0]["receptive_field_ms"] == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--samples", "0"], "--samples must be from 1"),
        (["--seconds", "-1"], "--seconds must be above 0"),
        (["--samples", "100", "--seconds", "1"], "not both"),
        (["--samples", "100", "--input", "3x3", "conv:1@1"], "not both"),
        (["--samples", "100", "--n-mels", "4", "--n-mfcc", "4"], "give one of"),
        (["--frames", "inside", "--arch", "cnn"], "add --samples"),
        (["--samples", "100", "--frames", "some", "--arch", "cnn"], "is not one of 'hops', 'centered'"),
        (["--samples", "100", "--frames", "inside", "--arch", "cnn"], "give no frame"),
        (["--samples", "5000", "--hop", "0"], "--hop-length must be from 1"),
        (["--arch", "cnn", "--explain", "--layer", "10"], "numbered 1 to 9"),
        (["--example", "--weights", "1 2;3"], "rows of one length"),
        (["--example", "--weights", "1 x"], "is not a number"),
        (["--example", "--weights", "1 nan"], "not a number from"),
        (["--example", "--weights", "1 1 1 1 1 1 1"], "does not fit"),
        (["--example", "--csv"], "or as JSON with --json"),
        (["--diff", "cnn", "nothing"], "unknown layer"),
        (["--diff"], "two or more"),
        (["--diff", "cnn", "lstm", "--explain"], "take one stack"),
        (["--arch", "cnn", "--weights", "1"], "add it"),
        (["--samples", "51200", "--explain"], "none was given"),
        (["--diff", "cnn", "--arch", "lstm"], "--diff compares its arguments"),
    ],
)
def test_bad_options_are_one_sentence(arguments: list[str], message: str, run: Run) -> None:
    finished = run("shapes", *arguments)
    assert finished.exit_code == 2
    assert finished.stderr.count("\n") == 1
    assert message in finished.stderr
    assert finished.stdout == ""


def test_every_layer_can_be_explained(run: Run) -> None:
    for name in architecture_names():
        document = run("shapes", "--arch", name, "--explain", "--json").document
        for layer in document["layers"]:
            assert layer["explanation"], (name, layer["type"])
            assert not re.search(r"None|\{", " ".join(layer["explanation"])), layer


def test_the_explanation_of_an_rgb_convolution(run: Run) -> None:
    arguments = ("--input", "32x32x3", "--kernel", "3", "--filters", "8", "--like", "image")
    printed = run("shapes", *arguments, "--explain").stdout
    for piece in ("3 x 3 x 3 = 27 weights", "3*3*3*8 + 8 = 224", "height x width", "8 kernels give"):
        assert piece in " ".join(printed.split())


def test_the_worked_example_is_a_convolution(run: Run) -> None:
    document = run("shapes", "--example", "--json").document
    image, kernel = np.array(document["image"]), np.array(document["kernel"])
    for mode in ("valid", "same"):
        expected = scipy.signal.correlate2d(image, kernel, mode=mode)
        assert document[mode]["output"] == expected.tolist()
    products = document["valid"]["products"]
    assert [5, 1] in products
    assert [2, 0] in products
    assert sum(a * b for a, b in products) == document["valid"]["output"][0][0] == 18
    same = np.array(document["same"]["output"])
    pooled = same[:4, :4].reshape(2, 2, 2, 2).max(axis=(1, 3))
    assert document["maxpool"]["output"] == pooled.tolist()
    printed = run("shapes", "--example").stdout
    assert "5*1 + 3*0 + 1*1" in printed
    assert "= 18" in printed


@pytest.mark.parametrize("kernel", ["1 0 -1; 2 0 -2; 1 0 -1", "0.5,1;-1,2", "2", "1 2 3"])
def test_another_kernel(kernel: str) -> None:
    weights = read_grid(kernel, what="--weights")
    worked = work_by_hand(kernel=weights)
    expected = scipy.signal.correlate2d(np.array(worked.image), np.array(weights), mode="valid")
    np.testing.assert_allclose(worked.valid.output, expected)
    assert np.shape(worked.same.output) == (5, 5)


def test_stacks_side_by_side(run: Run) -> None:
    arguments = ("shapes", "--input", "130x13", "--diff", "cnn", "lstm", "flatten dense:10")
    printed = run(*arguments).stdout
    for piece in ("298,186 params", "57,802 params", "16,910 params", "flatten dense:10"):
        assert piece in printed
    stacks = run(*arguments, "--json").document["stacks"]
    assert [stack["params"] for stack in stacks] == [298_186, 57_802, 16_910]
    rows = list(csv.DictReader(io.StringIO(run(*arguments, "--csv").stdout)))
    assert sum(int(row["params"]) for row in rows) == 298_186 + 57_802 + 16_910


def test_one_of_several_stacks_may_collapse(run: Run) -> None:
    finished = run("shapes", "--input", "5x5x1", "--diff", "conv:1@3", "conv:1@7")
    assert finished.exit_code == 1
    assert "collapses on the time axis" in finished.stdout


def test_markdown_is_a_table_with_the_same_totals(run: Run) -> None:
    printed = run("shapes", "--arch", "cnn", "--markdown").stdout
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in printed.splitlines()
        if line.startswith("|")
    ]
    assert {len(row) for row in rows} == {7}
    layers = [row for row in rows if row[0].isdigit()]
    (total,) = (row for row in rows if row[1] == "**total**")
    for column in (3, 4):
        assert sum(int(row[column].replace(",", "")) for row in layers) == int(total[column].replace(",", ""))
    assert "pool:3/2,same \\*" in printed


def test_output_files_by_their_ending(run: Run, tmp_path: Path) -> None:
    for ending, start in ((".json", "{"), (".csv", "number,"), (".md", "###"), (".txt", "CNN")):
        path = tmp_path / f"stack{ending}"
        assert run("shapes", "--arch", "cnn", "-o", path).exit_code == 0
        assert path.read_text(encoding="utf-8").startswith(start)
        assert run("shapes", "--arch", "cnn", "-o", path).exit_code == 3  # it exists


def test_a_stack_from_a_file(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "net.toml"
    path.write_text(
        'title = "mine"\ninput = [64, 64, 1]\nlayers = ["conv:8@3,relu", { type = "pool", kernel = 2 },'
        ' { block = "pair", filters = 16, repeat = 2 }, "globalavgpool",'
        ' { type = "dense", units = 5, activation = "softmax" }]\n'
        '[blocks]\npair = ["conv:{filters}@3,same,name=first", "conv:{filters}@3,same,relu", "add:first"]\n',
        encoding="utf-8",
    )
    document = run("shapes", "--file", path, "--json").document
    assert document["title"] == "mine"
    assert [layer["type"] for layer in document["layers"]] == [
        "conv", "maxpool", "conv", "conv", "add", "conv", "conv", "add", "globalavgpool", "dense",
    ]  # fmt: skip
    assert document["layers"][7]["sources"] == ["conv_7", "block6.first"]
    assert document["output"] == [5]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("layers = [", "not valid TOML"),
        ('input = "3x3"\nlayers = ["relu"]\ncolour = 1', "unknown key 'colour'"),
        ('input = "3x3"\nlayers = []', "at least one layer"),
        ('layers = ["relu"]', "input is missing"),
        ('input = "3x-3"\nlayers = ["relu"]', "too small"),
        ('input = "9x9"\nlayers = [3]', "layers[0] is neither"),
        ('input = "9x9"\nlayers = [{ type = "conv", filters = 3, kernal = 3 }]', "layers[0].kernal"),
        ('input = "9x9"\nlayers = [{ type = "conv", filters = 0 }]', "layers[0].filters: 0 is too small"),
        ('input = "9x9"\nlayers = [{ type = "conv" }]', "layers[0].filters: conv needs it"),
        ('input = "9x9"\nlayers = [{ block = "b" }]', "named 'b' in blocks"),
        ('input = "9x9"\nlayers = [{ block = "b" }]\nblocks.b = ["conv:{n}@3"]', "needs a number"),
        ('input = "9x9"\nlayers = [{ block = "b", repeat = 99999999 }]\nblocks.b = ["relu"]', "repeat"),
        ('input = "9x9"\nlayers = ["relu"]\nframework = "caffe"', "must be one of keras, torch, onnx"),
        ('input = "9x9"\ntitle = 3\nlayers = ["relu"]', "title must be text"),
    ],
)  # fmt: skip
def test_bad_stack_files(content: str, message: str, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "net.toml"
    path.write_text(content, encoding="utf-8")
    finished = run("shapes", "--file", path)
    assert finished.exit_code == 2
    assert finished.stderr.count("\n") == 1
    assert message in finished.stderr
    assert str(path) in finished.stderr


def test_the_grammar_reads_back_what_it_shows() -> None:
    for name in architecture_names():
        for layer in architecture(name).layers:
            assert read_layer(show_layer(layer)) == layer


def test_frameworks_are_marked_where_they_differ(run: Run) -> None:
    keras = run("shapes", "--input", "10x8", "lstm:4", "--json").document["layers"][0]
    assert keras["params"] == 4 * (8 + 4 + 1) * 4
    assert keras["differs"] == {"torch": "has 224 parameters", "onnx": "has 224 parameters"}
    arguments = ("--input", "5x5x1", "convtranspose:1@2/3", "--json")
    (layer,) = run("shapes", *arguments).document["layers"]
    assert layer["output"] == [15, 15, 1]
    assert layer["differs"]["torch"] == "gives 14 x 14 x 1"


def test_names_with_markup_are_shown_as_they_are(run: Run) -> None:
    printed = run("shapes", "--input", "9x9x1", "conv:1@3,name=[bold]x[/]", "add:[bold]x[/]").stdout
    assert "name=[bold]x[/]" in printed
    assert "add:[bold]x[/]" in printed


def test_drawings_hold_every_tensor(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    svg, png = tmp_path / "cnn.svg", tmp_path / "cnn.png"
    assert run("shapes", "--arch", "cnn", "--svg", svg, "--png", png).exit_code == 0
    drawn = svg.read_text(encoding="utf-8")
    for shape in ("130 x 13 x 1", "128 x 11 x 32", "64 x 6 x 32", "30 x 1 x 128", "3840"):
        assert f">{shape}</text>" in drawn
    assert png.read_bytes().startswith(b"\x89PNG")
    assert run("shapes", "--arch", "cnn", "--svg", svg).exit_code == 3  # it exists
    first = svg.read_bytes()
    assert run("shapes", "--arch", "cnn", "--svg", svg, "--force", "-q").exit_code == 0
    assert svg.read_bytes() == first
