"""How a signal is cut into frames: their length, their distance and the values beyond the ends."""

from dataclasses import dataclass
from enum import StrEnum

# 192 frames of 2048 samples: more exceed the processor's cache, fewer cost more of the interpreter's time.
_CHUNK_SAMPLES = 3 << 17


class PadMode(StrEnum):
    """The values beyond the ends of the signal when frames are centred; the names are NumPy's."""

    CONSTANT = "constant"
    EDGE = "edge"
    REFLECT = "reflect"
    SYMMETRIC = "symmetric"


@dataclass(frozen=True, slots=True)
class Framing:
    """Frames of `length` samples every `hop`, the first starting `before` samples ahead of the signal.

    A frame counts when it ends at most `after` samples behind the signal and, for `exact`, when the hop
    that it stands for lies inside, which makes samples // hop frames.
    """

    length: int
    hop: int
    before: int
    after: int
    pad_mode: PadMode
    exact: bool = False

    def n_frames(self, samples: int) -> int:
        """The number of frames of a signal of `samples` samples, 0 or more."""
        if samples < 1:
            return 0
        inside = 1 + (samples + self.before + self.after - self.length) // self.hop
        return max(0, min(inside, samples // self.hop) if self.exact else inside)

    @property
    def chunk_frames(self) -> int:
        """The number of frames that are computed at once."""
        return max(1, _CHUNK_SAMPLES // self.length)
