"""How many frames a clip has, by each rule, as a table and as JSON."""

from typing import Any

from audiocnn_cli.output.destination import Destination, Format
from audiocnn_cli.output.results import dump, write_rows
from audiocnn_cli.output.terminal.console import console
from audiocnn_cli.shapes.clip import Clip, FrameCount, FrameRule, why_centered
from audiocnn_cli.shapes.sizes import show_shape

_COLUMNS = ("rule", "who", "frames", "shape", "formula")


def write_frames(clip: Clip, destination: Destination) -> None:
    """Write the three counts of `clip`'s frames, each with the input shape it gives."""
    counts = clip.counts()
    with destination.open() as stream:
        if destination.format is Format.JSON:
            dump(_document(clip), stream)
        elif destination.format is Format.JSONL:
            for count in counts:
                dump(_count_document(clip, count), stream, indent=None)
        elif destination.format is Format.CSV:
            rows = (_count_document(clip, count) for count in counts)
            write_rows(
                (row | {"shape": "x".join(map(str, row["shape"]))} for row in rows),
                stream,
                header=_COLUMNS,
            )
        else:
            out = console(stream)
            out.print(_table(clip, markdown=destination.format is Format.MARKDOWN))
            out.print(why_centered(clip), style="dim", soft_wrap=True)


def _document(clip: Clip) -> dict[str, Any]:
    rule = clip.rule or FrameRule.HOPS
    return {
        "input": clip.input_shape(rule),
        "rule": rule,
        "samples": clip.samples,
        "sample_rate": clip.sample_rate,
        "hop_length": clip.hop_length,
        "n_fft": clip.n_fft,
        "frames": [_count_document(clip, count) for count in clip.counts()],
        "why": why_centered(clip),
        "layers": [],
        "output": clip.input_shape(rule),
        "params": 0,
        "macs": 0,
    }


def _count_document(clip: Clip, count: FrameCount) -> dict[str, Any]:
    return {
        "rule": count.rule,
        "who": count.who,
        "frames": count.frames,
        "shape": (count.frames, clip.n_bins, 1),
        "formula": count.formula,
    }


def _table(clip: Clip, *, markdown: bool) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.MARKDOWN if markdown else box.SIMPLE_HEAD)
    for name in ("rule", "who counts so", "input shape", "formula"):
        table.add_column(name)
    for count in clip.counts():
        shape = show_shape((count.frames, clip.n_bins, 1))
        table.add_row(count.rule, count.who, shape, count.formula)
    return table
