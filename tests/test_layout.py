"""Tables fit the terminal: paths keep both ends, and columns are dropped in a given order."""

import io
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from audiocnn_cli.output.terminal.layout import Column, FittedTable, shorten_path

LONG = "recordings/2026/november/session-04/the-singer-and-the-band/take-17-final.wav"


def printed(columns: Sequence[Column], width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(FittedTable(columns))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [60, 40, 24, 12, 6, 2])
@pytest.mark.parametrize("path", [LONG, "song-of-the-very-long-name.wav", "短い/とても長い名前.wav"])
def test_a_path_loses_its_middle(path: str, width: int) -> None:
    shortened = shorten_path(path, width)
    start, ellipsis, end = shortened.partition("…")
    assert path.startswith(start)
    assert path.endswith(end)
    assert bool(ellipsis) == (cell_len(path) > width)
    if path == LONG and width >= 24:
        assert end.endswith("take-17-final.wav")
        assert start


@given(path=st.text(max_size=60), width=st.integers(0, 70))
def test_any_path_fits(path: str, width: int) -> None:
    shortened = shorten_path(path, width)
    assert cell_len(shortened) <= width or shortened == path
    if cell_len(path) <= width:
        assert shortened == path


def test_columns_are_dropped_in_their_order_and_nothing_is_broken() -> None:
    columns = [
        Column(name="path", cells=[LONG, "b.wav"], path=True),
        Column(name="shape", cells=["1292 x 13", "87 x 13"]),
        Column(name="Hz", cells=["22050", "22050"], justify="right", drop=1),
        Column(name="seconds", cells=["30.00", "2.00"], justify="right", drop=2),
    ]
    for width in (120, 100, 80, 60, 50, 40):
        text = printed(columns, width)
        assert "1292 x 13" in text
        assert len(text.splitlines()) == 6  # the header, a rule, two rows, and an empty line around
        assert max(map(len, text.splitlines())) <= width
        assert ("22050" in text) <= ("seconds" in text)
    assert LONG in printed(columns, 120)
    assert "Hz" in printed(columns, 70)
    assert "seconds" not in printed(columns, 50)
