"""A convolution by hand: a small image, a kernel, and every product that adds up."""

import math
from dataclasses import dataclass
from typing import TypeAlias

from audiocnn_cli.errors import UsageError
from audiocnn_cli.shapes.sizes import shorten
from audiocnn_cli.shapes.step import MisfitError
from audiocnn_cli.shapes.window import VALID, Padding, Slide, Sliding

Grid: TypeAlias = tuple[tuple[float, ...], ...]

# The sum of the first window is 18, and 5*1 and 2*0 are in it, as in the course notes.
IMAGE: Grid = (
    (5, 3, 1, 2, 4),
    (2, 4, 0, 1, 3),
    (3, 1, 5, 2, 0),
    (1, 2, 2, 4, 1),
    (0, 3, 1, 2, 5),
)
KERNEL: Grid = ((1, 0, 1), (0, 1, 0), (1, 0, 1))
_LARGEST = 12


@dataclass(frozen=True)
class Filtered:
    """What a window made of a grid: the padded `source`, the `output`, one formula an axis.

    `products` are the terms of the output's first element, weight by weight; empty for pooling.
    """

    source: Grid
    output: Grid
    formula: tuple[str, ...]
    products: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Worked:
    """An `image` and a `kernel`, convolved without and with zero padding, and pooled after."""

    image: Grid
    kernel: Grid
    valid: Filtered
    same: Filtered
    pooled: Filtered


def read_example(image: str | None, kernel: str | None) -> Worked:
    """The example of the course notes, with the user's image and kernel where they are given.

    Raises:
        UsageError: one of them can't be read, or they don't fit together.
    """
    return work_by_hand(
        IMAGE if image is None else read_grid(image, what="--image"),
        KERNEL if kernel is None else read_grid(kernel, what="--weights"),
    )


def work_by_hand(image: Grid = IMAGE, kernel: Grid = KERNEL) -> Worked:
    """Convolve `image` with `kernel`, without and with zero padding, then take 2x2 maxima, 2 apart.

    Raises:
        UsageError: the kernel is larger than the image, or what it leaves is too small to pool.
    """
    size = (len(kernel), len(kernel[0]))
    try:
        valid = _convolve(image, kernel, Sliding(size, (1,), padding=VALID))
        same = _convolve(image, kernel, Sliding(size, (1,), padding=Padding("same")))
        pooled = _max_pool(same.output, Sliding((2,), (2,)))
    except MisfitError as misfit:
        raise UsageError(
            f"--example: {misfit.reason}; give a smaller kernel or a larger image"
        ) from misfit
    return Worked(image, kernel, valid, same, pooled)


def _convolve(image: Grid, kernel: Grid, sliding: Sliding) -> Filtered:
    slides = sliding.over((len(image), len(image[0])))
    source = _pad(image, slides)
    output = tuple(
        tuple(
            sum(value * weight for value, weight in _pairs(source, kernel, top, left))
            for left in range(slides[1].output)
        )
        for top in range(slides[0].output)
    )
    products = tuple(_pairs(source, kernel, 0, 0))
    return Filtered(source, output, tuple(s.formula for s in slides), products)


def _max_pool(image: Grid, sliding: Sliding) -> Filtered:
    rows, columns = sliding.over((len(image), len(image[0])))
    output = tuple(
        tuple(
            max(
                image[top * rows.stride + y][left * columns.stride + x]
                for y in range(rows.kernel)
                for x in range(columns.kernel)
            )
            for left in range(columns.output)
        )
        for top in range(rows.output)
    )
    return Filtered(image, output, (rows.formula, columns.formula))


def _pairs(source: Grid, kernel: Grid, top: int, left: int) -> list[tuple[float, float]]:
    """Each number under the kernel with its weight, row by row."""
    return [
        (source[top + y][left + x], weight)
        for y, weights in enumerate(kernel)
        for x, weight in enumerate(weights)
    ]


def _pad(image: Grid, slides: tuple[Slide, ...]) -> Grid:
    rows, columns = slides
    width = columns.before + len(image[0]) + columns.after
    empty = ((0,) * width,)
    middle = tuple((0,) * columns.before + row + (0,) * columns.after for row in image)
    return empty * rows.before + middle + empty * rows.after


def read_grid(text: str, *, what: str) -> Grid:
    """Numbers in rows: '1 0 -1; 2 0 -2; 1 0 -1', with spaces or commas between them.

    Raises:
        UsageError: a number can't be read, rows differ in length, or there are more than 12 of either.
    """
    rows = [row.replace(",", " ").split() for row in text.strip().strip(";").split(";")]
    if not all(rows) or len({len(row) for row in rows}) > 1:
        raise UsageError(f"{what} {shorten(text)!r}: give rows of one length, as in '1 0; 0 1'")
    if max(len(rows), len(rows[0])) > _LARGEST:
        raise UsageError(f"{what}: at most {_LARGEST} x {_LARGEST} numbers can be followed by hand")
    return tuple(tuple(_number(value, what) for value in row) for row in rows)


def _number(text: str, what: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise UsageError(f"{what}: {shorten(text)!r} is not a number") from None
    if not math.isfinite(number) or abs(number) > 1e9:
        raise UsageError(f"{what}: {shorten(text)} is beyond what can be followed by hand")
    return int(number) if number.is_integer() else number
