"""A worked example: a small image, a kernel, and every product of the convolution."""

import math
from dataclasses import dataclass
from itertools import chain
from operator import mul
from typing import TypeAlias

from audiocnn_cli.errors import UsageError
from audiocnn_cli.shapes.sizes import shorten
from audiocnn_cli.shapes.step import MisfitError
from audiocnn_cli.shapes.window import VALID, Padding, Slide, Sliding

Grid: TypeAlias = tuple[tuple[float, ...], ...]

# As in the course notes: the first window sums to 18, with the products 5*1 and 2*0.
IMAGE: Grid = ((5, 3, 1, 2, 4), (2, 4, 0, 1, 3), (3, 1, 5, 2, 0), (1, 2, 2, 4, 1), (0, 3, 1, 2, 5))
KERNEL: Grid = ((1, 0, 1), (0, 1, 0), (1, 0, 1))
_LARGEST = 12


@dataclass(frozen=True)
class Filtered:
    """A grid after a sliding window: the padded `source`, the `output`, a formula for each axis.

    `products` are the (value, weight) terms of the output's first element; empty for pooling.
    """

    source: Grid
    output: Grid
    formula: tuple[str, ...]
    products: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Worked:
    """An `image` convolved with `kernel`, without and with zero padding, and the latter max-pooled."""

    image: Grid
    kernel: Grid
    valid: Filtered
    same: Filtered
    pooled: Filtered


def read_example(image: str | None, kernel: str | None) -> Worked:
    """The example of the course notes, or with another image or kernel in the format of `read_grid`.

    Raises:
        UsageError: one of them is invalid, or the kernel is too large.
    """
    return work_by_hand(
        IMAGE if image is None else read_grid(image, what="`image`"),
        KERNEL if kernel is None else read_grid(kernel, what="`weights`"),
    )


def work_by_hand(image: Grid = IMAGE, kernel: Grid = KERNEL) -> Worked:
    """Convolve `image` with `kernel`, without and with zero padding, then max-pool by 2x2 with stride 2.

    Raises:
        UsageError: the kernel is larger than the image, or the output is too small to pool.
    """
    size = (len(kernel), len(kernel[0]))
    try:
        valid = _convolve(image, kernel, Sliding(size, (1,), padding=VALID))
        same = _convolve(image, kernel, Sliding(size, (1,), padding=Padding("same")))
        pooled = _max_pool(same.output, Sliding((2,), (2,)))
    except MisfitError as misfit:
        raise UsageError(f"`example`: {misfit.reason}; give a smaller kernel or a larger image") from misfit
    return Worked(image, kernel, valid, same, pooled)


def _convolve(image: Grid, kernel: Grid, sliding: Sliding) -> Filtered:
    slides = sliding.over((len(image), len(image[0])))
    source = _pad(image, slides)
    weights = list(chain.from_iterable(kernel))
    windows = _windows(source, slides)
    output = tuple(tuple(sum(map(mul, values, weights)) for values in row) for row in windows)
    products = tuple(zip(windows[0][0], weights, strict=True))
    return Filtered(source, output, tuple(slide.formula for slide in slides), products)


def _max_pool(image: Grid, sliding: Sliding) -> Filtered:
    slides = sliding.over((len(image), len(image[0])))
    output = tuple(tuple(map(max, row)) for row in _windows(image, slides))
    return Filtered(image, output, tuple(slide.formula for slide in slides))


def _windows(source: Grid, slides: tuple[Slide, ...]) -> list[list[list[float]]]:
    """The values in the window at each position, row by row."""
    rows, columns = slides

    def window(top: int, left: int) -> list[float]:
        lines = source[top : top + rows.kernel]
        return [value for line in lines for value in line[left : left + columns.kernel]]

    lefts = range(0, columns.output * columns.stride, columns.stride)
    tops = range(0, rows.output * rows.stride, rows.stride)
    return [[window(top, left) for left in lefts] for top in tops]


def _pad(image: Grid, slides: tuple[Slide, ...]) -> Grid:
    rows, columns = slides
    width = columns.before + len(image[0]) + columns.after
    empty = ((0,) * width,)
    middle = tuple((0,) * columns.before + row + (0,) * columns.after for row in image)
    return empty * rows.before + middle + empty * rows.after


def read_grid(text: str, *, what: str) -> Grid:
    """Parse rows of numbers: '1 0 -1; 2 0 -2; 1 0 -1', separated by spaces or commas.

    Raises:
        UsageError: a number is invalid, rows differ in length, or the grid is larger than 12 x 12.
    """
    rows = [row.replace(",", " ").split() for row in text.strip().strip(";").split(";")]
    if not all(rows) or len({len(row) for row in rows}) > 1:
        raise UsageError(f"{what} {shorten(text)!r}: give rows of one length, as in '1 0; 0 1'")
    if max(len(rows), len(rows[0])) > _LARGEST:
        raise UsageError(f"{what}: at most {_LARGEST} x {_LARGEST} numbers are shown")
    return tuple(tuple(_number(value, what) for value in row) for row in rows)


def _number(text: str, what: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise UsageError(f"{what}: {shorten(text)!r} is not a number") from None
    if not math.isfinite(number) or abs(number) > 1e9:
        raise UsageError(f"{what}: {shorten(text)} is not a number from -10^9 to 10^9")
    return int(number) if number.is_integer() else number
