"""A feature over time as a picture of characters (time to the right, bins upwards), and as less to draw."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # reports that are not printed need no Rich
    from rich.text import Text

# Matplotlib's viridis at nine points, dark to bright.
_COLOURS = (
    (68, 1, 84), (71, 45, 123), (59, 82, 139), (44, 114, 142), (33, 145, 140),
    (40, 174, 128), (94, 201, 98), (173, 220, 48), (253, 231, 37),
)  # fmt: skip
_SHADES = " ░▒▓█"
_UPPER_HALF = "▀"
_LOWER_HALF = "▄"
_BARS = " ▁▂▃▄▅▆▇█"


def shrink(data: NDArray[np.float32], *, width: int, height: int) -> NDArray[np.float32]:
    """`data` (frames, bins) averaged down to at most (width, height), for a picture of it."""
    for axis, size in ((0, width), (1, height)):
        if data.shape[axis] > size:
            edges = np.linspace(0, data.shape[axis], size, endpoint=False).astype(np.int64)
            sizes = np.diff(np.append(edges, data.shape[axis]))
            shape = (-1, 1) if axis == 0 else (1, -1)
            sums = np.add.reduceat(data, edges, axis=axis, dtype=np.float32)
            data = (sums / sizes.reshape(shape)).astype(np.float32)
    return data


class Envelope:
    """The outline of a waveform: block by block, the lowest and the highest of every `stretch` of samples."""

    def __init__(self, *, samples: int, widest: int) -> None:
        self.stretch = max(1, samples // widest)
        self._left = np.zeros(0, dtype=np.float32)
        self._lows: list[NDArray[np.float32]] = []
        self._highs: list[NDArray[np.float32]] = []

    def push(self, block: NDArray[np.float32]) -> None:
        """Take the next samples, shape (n,)."""
        left = np.concatenate([self._left, block])
        whole = len(left) // self.stretch * self.stretch
        rows = left[:whole].reshape(-1, self.stretch)
        self._lows.append(rows.min(axis=1))
        self._highs.append(rows.max(axis=1))
        self._left = left[whole:]

    def lows_and_highs(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """One value each a whole stretch; a last partial one is left out."""
        return np.concatenate(self._lows), np.concatenate(self._highs)


def levels(picture: NDArray[np.float32], *, each_bin: bool) -> NDArray[np.float64]:
    """`picture` scaled to 0 to 1, as a whole, or each bin by itself where bins differ in kind."""
    axis = 0 if each_bin else None
    low = picture.min(axis=axis, keepdims=True)
    spread = picture.max(axis=axis, keepdims=True) - low
    shares = np.zeros(picture.shape)
    np.divide(picture - low, spread, where=spread > 0, out=shares)
    return shares


def draw(shares: NDArray[np.float64] | NDArray[np.float32], *, lines: int, colour: bool) -> "Text":
    """Values 0 to 1 of shape (time, bins) as a row for each bin, the first bin at the bottom.

    With colour each character holds two rows, one above the other; without, a shade. Bins that are fewer
    than `lines` are repeated, all as often.
    """
    from rich.style import Style
    from rich.text import Text

    thickness = max(1, (2 * lines if colour else lines) // shares.shape[1])
    rows: list[list[float]] = shares.T[::-1].repeat(thickness, axis=0).tolist()
    text = Text(no_wrap=True)
    if not colour:
        steps = len(_SHADES) - 1
        text.append("\n".join("".join(_SHADES[round(v * steps)] for v in row) for row in rows))
        return text
    if len(rows) % 2:  # the upper half of the first line stays empty
        for value in rows.pop(0):
            text.append(_LOWER_HALF, Style(color=_colour(value)))
        text.append("\n")
    for i in range(0, len(rows), 2):
        for upper, lower in zip(rows[i], rows[i + 1], strict=True):
            text.append(_UPPER_HALF, Style(color=_colour(upper), bgcolor=_colour(lower)))
        text.append("\n" if i + 2 < len(rows) else "")
    return text


def bars(values: list[float], *, rows: int) -> "Text":
    """One value 0 to 1 a column as a bar, in eighths of a line."""
    from rich.text import Text

    full = len(_BARS) - 1
    heights = [round(value * rows * full) for value in values]
    lines = [
        "".join(_BARS[min(full, max(0, height - row * full))] for height in heights)
        for row in reversed(range(rows))
    ]
    return Text("\n".join(lines), no_wrap=True)


def palette(size: int) -> list[tuple[int, int, int]]:
    """`size` colours from dark to bright, as red, green and blue from 0 to 255."""
    return [_mixed(i / (size - 1)) for i in range(size)]


def _colour(value: float) -> str:
    return "#" + "".join(f"{channel:02x}" for channel in _mixed(value))


def _mixed(value: float) -> tuple[int, int, int]:
    place = value * (len(_COLOURS) - 1)
    below = min(int(place), len(_COLOURS) - 2)
    part = place - below
    pairs = zip(_COLOURS[below], _COLOURS[below + 1], strict=True)
    red, green, blue = (round(a + part * (b - a)) for a, b in pairs)
    return red, green, blue
