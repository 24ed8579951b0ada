"""The worked example of a convolution, as text and as JSON."""

from collections.abc import Iterator
from typing import IO, Any

from audiocnn_cli.errors import UsageError
from audiocnn_cli.output.destination import Destination, Format
from audiocnn_cli.output.results import dump
from audiocnn_cli.shapes.worked import Filtered, Grid, Worked


def write_worked(worked: Worked, destination: Destination) -> None:
    """Write the example as text or as JSON.

    Raises:
        UsageError: the destination has another format.
    """
    if destination.format not in {Format.TABLE, Format.JSON}:
        raise UsageError("the `example` is printed as text, or as JSON with `json`")
    with destination.open() as stream:
        if destination.format is Format.JSON:
            dump(_document(worked), stream)
        else:
            _write_text(worked, stream)


def _document(worked: Worked) -> dict[str, Any]:
    return {
        "image": worked.image,
        "kernel": worked.kernel,
        "valid": _filtered(worked.valid),
        "same": _filtered(worked.same),
        "maxpool": _filtered(worked.pooled),
    }


def _filtered(filtered: Filtered) -> dict[str, Any]:
    document = {
        "source": filtered.source,
        "output": filtered.output,
        "formula": filtered.formula,
        "products": filtered.products,
    }
    return {key: value for key, value in document.items() if value}


def _write_text(worked: Worked, stream: IO[str]) -> None:
    size = f"{len(worked.kernel)} x {len(worked.kernel[0])}"
    sections = (
        ("The image", _grid(worked.image)),
        (f"The kernel, {size}", _grid(worked.kernel)),
        ("Without padding (valid): the kernel stays inside the image", _convolved(worked, worked.valid)),
        (
            "With zero padding (same): the output has the size of the image",
            [*_grid(worked.same.source), "", *_convolved(worked, worked.same)],
        ),
        (
            "Max pooling of the last output, 2 x 2 with stride 2: the maximum of each window",
            [*worked.pooled.formula, "", *_grid(worked.pooled.output)],
        ),
    )
    for title, lines in sections:
        stream.write(f"{title}\n\n")
        stream.writelines(f"    {line}".rstrip() + "\n" for line in lines)
        stream.write("\n")


def _convolved(worked: Worked, filtered: Filtered) -> Iterator[str]:
    yield from filtered.formula
    yield ""
    yield "the first position, value times weight, row by row:"
    terms = [f"{value:g}*{weight:g}" for value, weight in filtered.products]
    lines = [" + ".join(row) for row in _rows(terms, len(worked.kernel[0]))]
    yield f"  {lines[0]}"
    yield from (f"+ {line}" for line in lines[1:])
    yield f"= {filtered.output[0][0]:g}"
    yield ""
    yield "at all positions:"
    yield from _grid(filtered.output)


def _rows(terms: list[str], width: int) -> Iterator[list[str]]:
    for start in range(0, len(terms), width):
        yield terms[start : start + width]


def _grid(grid: Grid) -> Iterator[str]:
    """The rows of a grid, its numbers aligned in columns."""
    texts = [[f"{value:g}" for value in row] for row in grid]
    width = max(len(text) for row in texts for text in row)
    for row in texts:
        yield "  ".join(text.rjust(width) for text in row)
