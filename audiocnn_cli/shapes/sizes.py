"""Sizes and shapes: their types, limits, parsing and formatting."""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from audiocnn_cli.errors import AudiocnnError, UsageError

# A size that is unknown until run time is its name in the ONNX file ("N").
Size: TypeAlias = int | str
Shape: TypeAlias = tuple[Size, ...]
Sizes: TypeAlias = tuple[int, ...]

# Far above any real tensor, small enough to keep the arithmetic fast.
LARGEST = 10**12


def read_size(text: str, *, least: int = 1) -> int:
    """Parse a whole number from `least` to 10^12.

    Raises:
        UsageError: `text` is not a whole number, or out of range.
    """
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal()):
        raise UsageError(f"{text!r} is not a whole number")
    if len(digits) > len(str(LARGEST)) or int(digits) > LARGEST:
        raise UsageError(f"{shorten(text)} is beyond the largest size, 10^12")
    if (number := int(text)) < least:
        raise UsageError(f"{number} is too small; it must be at least {least}")
    return number


def read_sizes(text: str, *, least: int = 1) -> Sizes:
    """Parse whole numbers separated by x: '130x13x1' is (130, 13, 1).

    Raises:
        UsageError: a part is not a whole number from `least` to 10^12.
    """
    return tuple(read_size(part.strip(), least=least) for part in text.lower().split("x"))


def smallest(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """The smallest size above `low` for which `holds` is true, by bisection.

    `holds` must be monotonic, and true for `high`.
    """
    return bisect_left(range(high), True, lo=low + 1, key=holds)


def show_shape(shape: Shape) -> str:
    """Format a shape for reading: (130, 13, 1) as '130 x 13 x 1'."""
    return " x ".join(map(str, shape))


def type_sizes(sizes: Shape) -> str:
    """Format sizes as the command line takes them: (3, 2) as '3x2'."""
    return "x".join(map(str, sizes))


def shorten(text: str, *, limit: int = 40) -> str:
    """`text`, truncated with '...' after `limit` characters."""
    return text if len(text) <= limit else f"{text[:limit]}..."


@contextmanager
def naming(what: object, kind: type[AudiocnnError] = UsageError) -> Iterator[None]:
    """Put `what` before the message of an error of `kind`."""
    try:
        yield
    except kind as error:
        raise kind(f"{what}: {error}") from error
