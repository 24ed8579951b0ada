"""Sizes and shapes: their types, limits, parsing and formatting."""

import re
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


def with_x(text: str) -> str:
    """`text` in lower case, with x for the sign of multiplication."""
    return text.lower().replace("\N{MULTIPLICATION SIGN}", "x")


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
    return tuple(read_size(part.strip(), least=least) for part in with_x(text).split("x"))


# What stands for the batch in frameworks' shapes.
_BATCH = {"none", "?", "n", "b", "batch", "batch_size", "-1"}
_SEPARATORS = re.compile(r"[x*]|,|\s")


def read_input(text: str) -> Sizes:
    """Parse an input shape as frameworks write it: '130x13x1', '130,13,1', '(None, 130, 13, 1)'.

    A batch of None, ?, N or -1 before it is left out.

    Raises:
        UsageError: a part is not a whole number from 1 to 10^12, or two separators are mixed.
    """
    if ";" in text:
        raise UsageError(f"{shorten(text)!r} is more than one shape, and a stack of layers has one input")
    inner = text.strip().removeprefix("torch.Size").strip()
    for first, last in ("()", "[]"):
        while inner[:1] == first and inner[-1:] == last:
            inner = inner[1:-1].strip()
    plain = re.sub(r"\s*([x*,])\s*", r"\1", with_x(inner).strip()).removesuffix(",")
    separators = {"x" if mark == "*" else mark for mark in _SEPARATORS.findall(plain)}
    if len(separators) > 1:
        raise UsageError(f"{shorten(text)!r} separates sizes in two ways; write 130x13x1 or 130,13,1")
    parts = _SEPARATORS.split(plain)
    if not plain or (len(parts) == 1 and plain in _BATCH - {"-1"}):
        raise UsageError("has no sizes; write 130x13x1")
    if len(parts) > 1 and parts[0] in _BATCH:
        parts = parts[1:]
    return tuple(read_size(part) for part in parts)


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
