"""The sound of a page: waveform, spectrogram and MP3 of a recording, computed in one pass."""

import io
from dataclasses import dataclass

import numpy as np
import soundfile
from numpy.typing import NDArray

from audiocnn_cli.audio.decode import open_audio
from audiocnn_cli.audio.load import WHOLE, Excerpt, mono_blocks
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.features.config import Feature, FeatureConfig
from audiocnn_cli.features.extract import Extraction
from audiocnn_cli.output.terminal.heatmap import Envelope, shrink

SAMPLE_RATE = 24000
_MOST_BYTES = 1_700_000
# Bit rates in kbit/s, in order of preference; at the last one 7 minutes fit into the page.
_BIT_RATES = (96, 64, 48, 32)
# The bit rates of libsndfile's compression levels 0 and 1 at this sample rate.
_HIGHEST, _LOWEST = 160, 8
_WIDEST_WAVE = 3000
_WIDEST_PICTURE = 1600
_HOPS = (128, 2048)
_MELS = 128


@dataclass(frozen=True, slots=True)
class Sound:
    """A recording, read from `start_s` on.

    `lows` and `highs` are the minima and maxima of each `stretch_s` seconds. `levels` is a mel spectrogram in
    dB, shape (columns, bands), by `config`, with columns `column_s` apart, the first one centred on
    `start_s`. `mp3` contains the first `kept_s` seconds; it is empty where libsndfile can't write MP3.
    """

    start_s: float
    duration_s: float
    sample_rate: int
    channels: int
    format: str
    lows: NDArray[np.float32]
    highs: NDArray[np.float32]
    stretch_s: float
    config: FeatureConfig
    levels: NDArray[np.float32]
    column_s: float
    mp3: bytes
    kept_s: float


def read_sound(source: Source, excerpt: Excerpt = WHOLE) -> Sound:
    """Read `source`, or a part of it, once.

    Raises:
        InputError: it can't be used.
    """
    with open_audio(source) as reader:
        info = reader.info
        start = excerpt.span(info)[0]
        seconds = excerpt.frames(reader) / info.sample_rate
        expected = max(1, int(seconds * SAMPLE_RATE))
        hop = min(max(expected // _WIDEST_PICTURE, _HOPS[0]), _HOPS[1])
        config = FeatureConfig(feature=Feature.LOGMEL, sample_rate=SAMPLE_RATE, hop_length=hop, n_mels=_MELS)
        extraction = Extraction([config])
        envelope = Envelope(samples=expected, widest=_WIDEST_WAVE)
        # libsndfile 1.1 and later write MP3.
        mp3 = Mp3(seconds) if "MP3" in soundfile.available_formats() else None
        samples = 0
        for block in mono_blocks(reader, sample_rate=SAMPLE_RATE, excerpt=excerpt):
            samples += len(block)
            extraction.push(block)
            envelope.push(block)
            if mp3 is not None:
                mp3.push(block)
    levels = extraction.finish()
    picture = shrink(levels, width=_WIDEST_PICTURE, height=_MELS)
    lows, highs = envelope.lows_and_highs()
    return Sound(
        start_s=start / info.sample_rate,
        duration_s=samples / SAMPLE_RATE,
        sample_rate=info.sample_rate,
        channels=info.channels,
        format=info.format,
        lows=lows,
        highs=highs,
        stretch_s=envelope.stretch / SAMPLE_RATE,
        config=config,
        levels=picture,
        column_s=len(levels) / len(picture) * hop / SAMPLE_RATE,
        mp3=mp3.finish() if mp3 is not None else b"",
        kept_s=mp3.kept_s if mp3 is not None else 0.0,
    )


class Mp3:
    """Encodes mono samples as MP3, and stops where `most_bytes` are reached."""

    def __init__(self, duration_s: float, *, most_bytes: int | None = None) -> None:
        most_bytes = most_bytes or _MOST_BYTES
        fitting = (rate for rate in _BIT_RATES if duration_s * rate * 125 <= most_bytes)
        kbits = next(fitting, _BIT_RATES[-1])
        self._room = int(most_bytes / (kbits * 125) * SAMPLE_RATE)
        self._kept = 0
        self._bytes = io.BytesIO()
        # Written block by block: libsndfile's encoders have crashed on very long writes.
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
        """The number of encoded seconds."""
        return self._kept / SAMPLE_RATE

    def push(self, block: NDArray[np.float32]) -> None:
        """Encode the next samples, shape (n,), at `SAMPLE_RATE`; those that do not fit are dropped."""
        part = block[: max(0, self._room - self._kept)]
        if len(part):
            self._file.write(np.clip(part, -1.0, 1.0))
            self._kept += len(part)

    def finish(self) -> bytes:
        """The bytes of the file."""
        self._file.close()
        return self._bytes.getvalue()
