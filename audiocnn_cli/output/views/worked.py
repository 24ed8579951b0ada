"""The worked example of a convolution, as text and as JSON."""

from collections.abc import Iterable, Iterator
from typing import Any

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
            for title, lines in _sections(worked):
                stream.write(f"{title}\n\n")
                stream.writelines(f"    {line}".rstrip() + "\n" for line in lines)
                stream.write("\n")


def _document(worked: Worked) -> dict[str, Any]:
    document: dict[str, Any] = {"image": worked.image, "kernel": worked.kernel}
    for name, filtered in (("valid", worked.valid), ("same", worked.same), ("maxpool", worked.pooled)):
        document[name] = {key: value for key, value in vars(filtered).items() if value}
    return document


def _sections(worked: Worked) -> Iterator[tuple[str, Iterable[str]]]:
    yield "The image", _grid(worked.image)
    yield f"The kernel, {len(worked.kernel)} x {len(worked.kernel[0])}", _grid(worked.kernel)
    title = "Without padding (valid): the kernel stays inside the image"
    yield title, _convolved(worked, worked.valid)
    title = "With zero padding (same): the output has the size of the image"
    yield title, [*_grid(worked.same.source), "", *_convolved(worked, worked.same)]
    title = "Max pooling of the last output, 2 x 2 with stride 2: the maximum of each window"
    yield title, [*worked.pooled.formula, "", *_grid(worked.pooled.output)]


def _convolved(worked: Worked, filtered: Filtered) -> Iterator[str]:
    yield from filtered.formula
    yield ""
    yield "the first position, value times weight, row by row:"
    terms = [f"{value:g}*{weight:g}" for value, weight in filtered.products]
    width = len(worked.kernel[0])
    for start in range(0, len(terms), width):
        yield ("+ " if start else "  ") + " + ".join(terms[start : start + width])
    yield f"= {filtered.output[0][0]:g}"
    yield ""
    yield "at all positions:"
    yield from _grid(filtered.output)


def _grid(grid: Grid) -> Iterator[str]:
    """The rows of a grid, its numbers aligned in columns."""
    texts = [[f"{value:g}" for value in row] for row in grid]
    width = max(len(text) for row in texts for text in row)
    for row in texts:
        yield "  ".join(text.rjust(width) for text in row)
