"""Copies of a clip that a head is fitted on too: at telephone bandwidth, and shifted in time.

Each is a pure function of mono samples. `docs/training.md` has what they bring.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.evaluation.degrade import DEGRADATIONS

Samples = NDArray[np.float32]

NARROW_BAND = next(each for each in DEGRADATIONS if each.name == "8khz")
ORIGINAL = "original"
# Parts of a segment by which a clip of one segment is shifted. A repeated clip is shifted circularly, a
# padded one within its padding: far, and the end of a word would be lost.
_CIRCULAR = (1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6)
_PADDED = (-0.15, -0.075, 0.075, 0.15)
# A clip of more segments has as many views of its own.
_SHORT = 1.5


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of a clip: its name, and its samples at the clip's own rate."""

    name: str
    samples: Samples


def copies(
    samples: Samples, sample_rate: int, *, segment_s: float, pad_short: bool, shifts: bool
) -> Iterator[Copy]:
    """The copies of a clip.

    A clip at 8 kHz or less has no copy at that bandwidth. With `shifts` a clip of a single segment of
    `segment_s` seconds is shifted too.
    """
    narrow = NARROW_BAND.apply(samples, sample_rate, 0)
    if narrow is not samples:
        yield Copy(NARROW_BAND.name, narrow)
    length = round(segment_s * sample_rate)
    if shifts and 0 < len(samples) < _SHORT * length:
        for part in _PADDED if pad_short else _CIRCULAR:
            by = round(part * length)
            moved = _within_padding(samples, length, by) if pad_short else np.roll(samples, by)
            yield Copy(f"shift {part:.3f}", moved)


def _within_padding(samples: Samples, length: int, by: int) -> Samples:
    """The clip between zeros, `length` samples long, `by` samples off the middle; a longer clip is cut."""
    room = length - len(samples)
    if room <= 0:
        return np.pad(samples, (by, 0)) if by > 0 else samples[-by:]
    before = min(max(room // 2 + by, 0), room)
    return np.pad(samples, (before, room - before))
