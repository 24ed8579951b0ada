"""CSV holds no cell that a spreadsheet runs, and reads back as it was by one rule."""

import csv
import io
import json
import math
from collections.abc import Callable
from pathlib import Path

import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiocnn_cli.files import plain_cell, safe_cell
from audiocnn_cli.output.results import CsvWriter
from tests.conftest import Finished

Run = Callable[..., Finished]
MakeWav = Callable[..., Path]
RUN = ("=", "+", "-", "@", "\t", "\r")
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
FORMULAS = st.builds(str.__add__, st.sampled_from([*RUN, "'", "''="]), TEXTS)


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-a", "'-a"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("'tis", "''tis"),
        ("a=1", "a=1"),
        ("-1.5e-3", "-1.5e-3"),
        ("+7", "+7"),
        ("-1+1", "'-1+1"),
        (-1.5, -1.5),
        (None, None),
    ],
)
def test_cells(value: object, cell: object) -> None:
    assert safe_cell(value) == cell


@given(st.lists(st.tuples(TEXTS | FORMULAS, st.floats(allow_nan=False, allow_infinity=False)), min_size=1))
def test_pandas_reads_what_was_written(rows: list[tuple[str, float]]) -> None:
    stream = io.StringIO(newline="")
    writer = CsvWriter(stream, ["name", "=value"])
    for name, value in rows:
        writer.write({"name": name, "=value": value})
    written = stream.getvalue()
    table = pandas.read_csv(
        io.StringIO(written, newline=""), dtype={"name": str}, keep_default_na=False, skip_blank_lines=False
    )
    assert list(table.columns) == ["name", "'=value"]
    assert [plain_cell(cell) for cell in table["name"]] == [name for name, _ in rows]
    assert list(table["'=value"]) == pytest.approx([value for _, value in rows])
    for line in list(csv.reader(io.StringIO(written, newline="")))[1:]:
        assert not line[0].startswith(RUN) or math.isfinite(float(line[0]))


def test_names_of_files_read_back_by_the_documented_rule(
    run: Run, make_wav: MakeWav, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    names = ["=cmd.wav", "+1.wav", "@a.wav", "'b.wav", "\tc.wav", "d\re.wav", "plain.wav"]
    for name in names:
        make_wav(tmp_path / name)
    finished = run("features", *names, "--summary", "mean", "-o", "table.csv")
    assert finished.exit_code == 0, finished.stderr
    table = pandas.read_csv("table.csv")
    paths = table["path"].str.removeprefix("'")
    assert list(paths) == names
    assert not any(str(cell).startswith(RUN) for cell in table["path"])
    listed = run("features", *names, "--summary", "mean", "--jsonl").stdout.splitlines()
    assert sorted(json.loads(line)["path"] for line in listed) == sorted(names)
