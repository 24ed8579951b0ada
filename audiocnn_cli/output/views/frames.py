"""The number of frames of a clip by each rule, as a table and as JSON."""

from typing import Any

from audiocnn_cli.output.destination import Destination, Format
from audiocnn_cli.output.results import dump, write_rows
from audiocnn_cli.output.terminal.console import console
from audiocnn_cli.output.views import pick
from audiocnn_cli.output.views.text_table import Column, Row, print_markdown_table, print_table, print_wrapped
from audiocnn_cli.shapes.choices import FrameRule
from audiocnn_cli.shapes.clip import Clip, why_centered
from audiocnn_cli.shapes.sizes import show_shape, type_sizes

_HEADER = ("rule", "used by", "input shape", "formula")


def write_frames(clip: Clip, destination: Destination) -> None:
    """Write the frame counts of `clip`, each with the input shape it gives."""
    counts: list[dict[str, Any]] = [
        {"rule": count.rule, "who": count.used_by, "frames": count.frames}
        | {"shape": (count.frames, clip.n_bins, 1), "formula": count.formula}
        for count in clip.counts()
    ]
    cells = [(each["rule"], each["who"], show_shape(each["shape"]), each["formula"]) for each in counts]
    with destination.open() as stream:
        if destination.format is Format.JSON:
            dump(_document(clip, counts), stream)
        elif destination.format is Format.JSONL:
            for each in counts:
                dump(each, stream, indent=None)
        elif destination.format is Format.CSV:
            rows = [each | {"shape": type_sizes(each["shape"])} for each in counts]
            write_rows(rows, stream, header=list(rows[0]))
        elif destination.format is Format.MARKDOWN:
            print_markdown_table(stream, _HEADER, cells)
            stream.write(f"\n{why_centered(clip)}\n")
        else:
            out = console(stream)
            lines = [Row(first, [formula]) for *first, formula in cells]
            print_table(out, list(map(Column, _HEADER[:-1])), lines)
            print_wrapped(out, why_centered(clip), style="dim")


def _document(clip: Clip, counts: list[dict[str, Any]]) -> dict[str, Any]:
    rule = clip.rule or FrameRule.HOPS
    return {
        "input": clip.input_shape(rule),
        "rule": rule,
        **pick(clip, "samples", "sample_rate", "hop_length", "n_fft"),
        "frames": counts,
        "why": why_centered(clip),
        "layers": [],
        "output": clip.input_shape(rule),
        "params": 0,
        "macs": 0,
    }
