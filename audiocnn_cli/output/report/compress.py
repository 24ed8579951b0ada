"""Sound for a page: MP3, which every browser plays, in as many bytes as the page has room for."""

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SAMPLE_RATE = 24000
_MOST_BYTES = 1_700_000
# kbit/s at which MPEG-2 layer III is worth listening to; the last one holds 7 minutes.
_RATES = (96, 64, 48, 32)
# libsndfile's scale from the most to the fewest kbit/s at this sample rate.
_HIGHEST, _LOWEST = 160, 8


class Mp3:
    """Mono samples go in block by block, bytes of MP3 come out.

    `kept_s` is how many seconds it holds: of a recording too long for the page, the beginning.
    """

    def __init__(self, duration_s: float) -> None:
        import soundfile

        fitting = (rate for rate in _RATES if duration_s * rate * 125 <= _MOST_BYTES)
        kbits = next(fitting, _RATES[-1])
        self._room = int(_MOST_BYTES / (kbits * 125) * SAMPLE_RATE)
        self._kept = 0
        self._bytes = io.BytesIO()
        # Written in blocks: libsndfile's encoders have crashed on very long writes.
        self._file = soundfile.SoundFile(
            self._bytes,
            "w",
            SAMPLE_RATE,
            1,
            format="MP3",
            subtype="MPEG_LAYER_III",
            bitrate_mode="CONSTANT",
            compression_level=(_HIGHEST - kbits) / (_HIGHEST - _LOWEST),
        )

    @property
    def kept_s(self) -> float:
        """Seconds that were taken."""
        return self._kept / SAMPLE_RATE

    def push(self, block: "NDArray[np.float32]") -> None:
        """Take the next samples, shape (n,), at `SAMPLE_RATE`; those beyond the room are left out."""
        import numpy as np

        part = block[: max(0, self._room - self._kept)]
        if len(part):
            self._file.write(np.clip(part, -1.0, 1.0))
            self._kept += len(part)

    def finish(self) -> bytes:
        """The whole file."""
        self._file.close()
        return self._bytes.getvalue()


def can_write_mp3() -> bool:
    """Whether the libsndfile that is here knows how to; before 1.1 it does not."""
    import soundfile

    return "MP3" in soundfile.available_formats()
