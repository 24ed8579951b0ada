"""Sizes and shapes: what they may be, how they are typed and how they are shown."""

from collections.abc import Callable
from typing import TypeAlias

from audiocnn_cli.errors import UsageError

# A size that is known only when the network runs has a name ("N"); it comes from an ONNX file.
Size: TypeAlias = int | str
Shape: TypeAlias = tuple[Size, ...]
Sizes: TypeAlias = tuple[int, ...]

# Far above any tensor, far below what would make the arithmetic itself slow.
LARGEST = 10**12


def read_size(text: str, *, least: int = 1) -> int:
    """The whole number that `text` says.

    Raises:
        UsageError: it is none, below `least`, or beyond 10^12.
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
    """Numbers with an x between them: '130x13x1' is (130, 13, 1).

    Raises:
        UsageError: a part is no whole number of at least `least`.
    """
    return tuple(read_size(part.strip(), least=least) for part in text.lower().split("x"))


def smallest(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """The smallest size above `low` that holds, where `high` does and all above a size that holds do."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def show_shape(shape: Shape) -> str:
    """(130, 13, 1) as '130 x 13 x 1'."""
    return " x ".join(map(str, shape))


def type_sizes(sizes: Sizes) -> str:
    """(3, 2) as it is typed: '3x2'; (3, 3) as '3x3'."""
    return "x".join(map(str, sizes))


def shorten(text: str, *, limit: int = 40) -> str:
    """`text`, or its beginning where it is longer than `limit`."""
    return text if len(text) <= limit else f"{text[:limit]}..."
