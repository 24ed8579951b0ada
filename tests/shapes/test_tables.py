"""Tables at several widths: no token is broken, no line is too long, and the sums are right."""

import re
from collections.abc import Callable
from math import ceil, floor
from pathlib import Path
from typing import Any

import pytest

from audiocnn_cli.output.terminal.console import console
from audiocnn_cli.output.views.text_table import Column, Row, print_table, print_wrapped
from audiocnn_cli.shapes.choices import architecture_names
from tests.conftest import Finished

Run = Callable[..., Finished]

GOLDEN = Path(__file__).parent / "golden"
WIDTHS = (80, 100, 120)
FORMULA = re.compile(r"((?:floor|ceil)?[-+*/() 0-9]+ = \d+)(?: parameters.*)?")
# Stacks with long names, branches, one axis, no axes, hundreds of layers, and times in milliseconds.
STACKS = {
    "cnn": ["--arch", "cnn"],
    "mlp": ["--arch", "mlp"],
    "lstm": ["--arch", "lstm"],
    "lenet5": ["--arch", "lenet5"],
    "resnet18": ["--arch", "resnet18"],
    "efficientnetb0": ["--arch", "efficientnetb0"],
    "vitb16": ["--arch", "vitb16"],
    "vae": ["--arch", "vae"],
    "wavenet": ["--arch", "wavenet"],
    "gpt2": ["--arch", "gpt2"],
    "ssd": ["--arch", "ssd300-vgg16"],
    "regions": ["--arch", "maskrcnn-resnet50-fpn"],
    "yamnet": ["--arch", "yamnet", "--seconds", "1"],
    "clip": ["--arch", "cnn", "--seconds", "3"],
    "spectrum": ["--seconds", "1", "--stft", "conv:8@3x5,name=a_long_name_of_a_layer,dilation=2"],
    "adaptive": ["--input", "131x67x3", "conv:8@3", "adaptiveavgpool:7x5", "dense:10,softmax"],
    "huge": ["--input", f"{10**9}x{10**9}", "conv:64@3x3,relu", "pool:3/2,same"],
}


def plain(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def tokens(text: str) -> set[str]:
    return {token.rstrip(";") for token in text.split()}


def shown(layer: dict[str, Any]) -> list[str]:
    """What the table has of a layer: the cells, as text."""
    stride = layer.get("cumulative_stride", [])
    return [
        layer["text"],
        " x ".join(map(str, layer["output"])),
        f"{layer['params']:,}",
        f"{layer['macs']:,}",
        "x".join(map(str, layer.get("receptive_field", []))),
        "x".join(f"{value:g}" for value in stride),
    ]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", STACKS)
def test_no_token_is_broken_and_no_line_is_too_long(
    name: str, width: int, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    printed = run("shapes", *STACKS[name]).stdout
    document = run("shapes", *STACKS[name], "--json").document
    assert max(map(len, printed.splitlines())) <= width
    found = tokens(printed)
    layers = document["layers"]
    for layer in layers:
        for cell in shown(layer):
            assert tokens(cell) <= found, (layer["name"], cell)
        for formula in layer["formula"] if len(layers) <= 200 else ():
            assert tokens(formula) <= found, (layer["name"], formula)
            # A formula is broken only where it does not fit on a line of its own.
            assert formula in printed or len(formula) > width - 10, (layer["name"], formula)


def test_a_deep_network_fits_into_300_lines(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run("shapes", "--arch", "resnet18").stdout.count("\n") <= 300


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_of_the_cnn(width: int, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The golden table, and its own sums and formulas, so that a wrong one can't be accepted."""
    monkeypatch.setenv("COLUMNS", str(width))
    golden = (GOLDEN / f"cnn-{width}.txt").read_text(encoding="utf-8")
    assert plain(run("shapes", "--arch", "cnn").stdout) == golden
    sums, total = sums_of(golden)
    assert sums == total == [298_186, 6_206_080]
    pieces = re.split(r"\s{2,}|;\s|\n", golden)
    formulas = [match[1] for piece in pieces if (match := FORMULA.fullmatch(piece))]
    assert len(formulas) == 10 + 3 + 2 + 1
    for formula in formulas:
        assert holds(formula), formula


def holds(formula: str) -> bool:
    """Whether the numbers of `left = right` are right."""
    left, _, right = formula.partition("=")
    value: object = eval(left, {"__builtins__": {}, "floor": floor, "ceil": ceil})  # noqa: S307 (digits)
    return value == int(right)


@pytest.mark.parametrize("arch", architecture_names())
def test_the_formulas_of_windows_and_weights_hold(arch: str, run: Run) -> None:
    checked = 0
    for layer in run("shapes", "--arch", arch, "--json").document["layers"]:
        for formula in layer["formula"]:
            if match := FORMULA.fullmatch(formula):
                checked += 1
                assert holds(match[1]), (layer["name"], formula)
    assert checked


def sums_of(printed: str) -> tuple[list[int], list[int]]:
    """The sums of the columns params and MACs, and the same two of the row with the totals."""
    lines = printed.splitlines()
    at = next(i for i, line in enumerate(lines) if re.match(r"\s*#  layer\b", line))
    output = lines[at].index("output")
    ends = [lines[at].index(name) + len(name) for name in ("params", "MACs")]
    rows: list[list[int]] = []
    for line in lines[at + 2 :]:
        # The cells of a layer are on its line, or on the next one where its name is long.
        is_row = re.match(r" {0,3}\d+  \S", line) or not line[:output].strip()
        cells = [re.search(r"(?<!\S)[\d,]+$", line[:end]) for end in ends]
        is_total = line.strip().startswith("total ")
        if (is_row or is_total) and all(cells):
            rows.append([int(cell[0].replace(",", "")) for cell in cells if cell])
        if is_total:
            break
    *layers, total = rows
    return [sum(column) for column in zip(*layers, strict=True)], total


@pytest.mark.parametrize("arch", architecture_names())
def test_the_totals_are_the_sums_of_their_columns(
    arch: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    document = run("shapes", "--arch", arch, "--json").document
    sums, total = sums_of(run("shapes", "--arch", arch).stdout)
    assert sums == total == [document["params"], document["macs"]]


@pytest.mark.parametrize(
    ("arguments", "cells"),
    [
        (["--arch", "cnn", "--explain"], ["3 x 3 x 1 = 9 weights", "cumulative stride"]),
        (["--samples", "51200", "--hop", "512"], ["1 + floor((51200 - 2048)/512) = 97"]),
        (["--example"], ["5*1 + 3*0 + 1*1", "= 18"]),
        (
            ["--input", "130x13", "--diff", "cnn", "lstm", "flatten dense:10"],
            ["conv:128@2x2,relu", "lstm:64,sequences", "128 x 11 x 32", "57,802 params"],
        ),
        (
            ["--diff", "resnet18", "mobilenetv2", "vgg16", "efficientnetb0"],
            ["conv:64@7x7/2,pad=3,nobias", "138,357,544 params"],
        ),
    ],
)
@pytest.mark.parametrize("width", WIDTHS)
def test_other_tables_fit_too(
    arguments: list[str], cells: list[str], width: int, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    printed = run("shapes", *arguments).stdout
    assert max(map(len, printed.splitlines())) <= width
    whole = " ".join(printed.split())
    for cell in cells:
        assert cell in whole


def test_a_token_longer_than_the_width_is_not_broken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    long = "x" * 30
    print_table(console(), [Column("#"), Column("name", flexible=True)], [Row(("1", long), [long])])
    print_wrapped(console(), f"one two {long} three-four")
    assert plain(capsys.readouterr().out).splitlines()[2:] == [
        f"1  {long}", f"     {long}", "", "one two", long, "three-four",
    ]  # fmt: skip


def test_a_left_out_column_stands_under_the_row_where_it_changes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    columns = [Column("#"), Column("name", flexible=True), Column("value", label="value")]
    rows = [Row(("1", "a" * 12, "10"), ["x = 1"]), Row(("2", "b", "10")), Row(("3", "c", "11"))]
    print_table(console(), columns, rows)
    assert plain(capsys.readouterr().out).splitlines()[2:] == [
        f"1  {'a' * 12}",
        "     value 10; x = 1",
        "2  b",
        "3  c",
        "     value 11",
        "",
    ]


@pytest.mark.parametrize("quiet", ["-q", "--quiet"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["--arch", "cnn"],
        ["--arch", "cnn", "--explain"],
        ["--samples", "51200"],
        ["--example"],
        ["--diff", "cnn", "lstm"],
    ],
)
def test_quiet_prints_no_table_but_every_document(
    arguments: list[str], quiet: str, run: Run, tmp_path: Path
) -> None:
    finished = run("shapes", *arguments, quiet)
    assert (finished.exit_code, finished.stdout, finished.stderr) == (0, "", "")
    assert run("shapes", *arguments, quiet, "--json").document
    file = tmp_path / "stack.json"
    assert run("shapes", *arguments, "-o", file).stdout == ""
    assert file.read_text(encoding="utf-8").startswith("{")


def test_quiet_still_reports_a_collapse(run: Run) -> None:
    finished = run("shapes", "--input", "31x2x64", "--kernel", "3", "-q")
    assert (finished.exit_code, finished.stdout) == (1, "")
    assert finished.stderr.startswith("error: layer 1")
