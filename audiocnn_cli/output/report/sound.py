"""What a page shows and plays of a recording, gathered in one pass over it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from audiocnn_cli.audio.decode import open_audio
from audiocnn_cli.audio.load import WHOLE, Excerpt, mono_blocks
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.features.config import Feature, FeatureConfig
from audiocnn_cli.features.extract import Extraction
from audiocnn_cli.output.plots.envelope import Envelope
from audiocnn_cli.output.report.compress import SAMPLE_RATE, Mp3, can_write_mp3
from audiocnn_cli.output.terminal.heatmap import shrink

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WIDEST_WAVE = 3000
_WIDEST_PICTURE = 1600
_HOPS = (128, 2048)
_MELS = 128


@dataclass(frozen=True, slots=True)
class Sound:
    """One recording.

    It was read from `start_s` on. `lows` and `highs` are those of each `stretch_s` seconds. `levels` is a mel
    spectrogram in dB, shape (columns, bands), of `config`, its columns `column_s` apart, the first one
    centred on `start_s`. `mp3` holds the first `kept_s` seconds; it is empty where this libsndfile writes
    none.
    """

    start_s: float
    duration_s: float
    sample_rate: int
    channels: int
    format: str
    lows: "NDArray[np.float32]"
    highs: "NDArray[np.float32]"
    stretch_s: float
    config: FeatureConfig
    levels: "NDArray[np.float32]"
    column_s: float
    mp3: bytes
    kept_s: float


def listen(source: Source, excerpt: Excerpt = WHOLE) -> Sound:
    """Read `source`, or a part of it, once.

    Raises:
        InputError: it can't be used.
    """
    with open_audio(source) as reader:
        info = reader.info
        start, frames = excerpt.span(info)
        left = info.frames - start
        seconds = (left if frames is None else min(frames, left)) / info.sample_rate
        expected = max(1, int(seconds * SAMPLE_RATE))
        hop = min(max(expected // _WIDEST_PICTURE, _HOPS[0]), _HOPS[1])
        config = FeatureConfig(
            feature=Feature.LOGMEL, sample_rate=SAMPLE_RATE, hop_length=hop, n_mels=_MELS
        )
        extraction = Extraction([config])
        envelope = Envelope(samples=expected, widest=_WIDEST_WAVE)
        mp3 = Mp3(seconds) if can_write_mp3() else None
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
