"""The data of a page's plots: numbers at the resolution of a screen, and pictures as PNG in data URIs."""

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.classify.prediction import Prediction, TimelineEntry
from audiocnn_cli.features.mel import hz_to_mel, mel_edges
from audiocnn_cli.inspection.occlusion import Why
from audiocnn_cli.output.report.sound import Sound
from audiocnn_cli.output.terminal.console import display
from audiocnn_cli.output.terminal.heatmap import levels, palette
from audiocnn_cli.output.views.stretches import stretches

if TYPE_CHECKING:
    from PIL.Image import Image

_MOST_LINES = 8
_MOST_POINTS = 1500
_PEAK = 127
_TICKS_HZ = (200, 500, 1000, 2000, 5000, 10000)
# The colours of parts that raise and that lower the probability, and of parts that were not searched.
_RAISES, _LOWERS = (255, 92, 57), (90, 200, 255)
_NOT_SEARCHED = (128, 128, 128, 96)
_MOST_OPAQUE = 210
# The exponent of the opacity: many small weights must not hide the spectrogram.
_CONTRAST = 1.6
_WHY_COLUMNS = 1200


def plots_of(prediction: Prediction, why: Why, sound: Sound) -> dict[str, Any]:
    """The JSON that the page's script reads; times are in seconds of the recording."""
    return {
        "start": round(sound.start_s, 3),
        "end": round(sound.start_s + sound.duration_s, 3),
        "kept": round(sound.kept_s, 3),
        "wave": _wave(sound),
        "spectrogram": _spectrogram(sound),
        "why": _why(why, sound),
        "probabilities": _probabilities(prediction),
        "parts": [
            {"start": round(each.start_s, 3), "end": round(each.end_s, 3)} for each in stretches(prediction)
        ],
    }


def _wave(sound: Sound) -> dict[str, Any]:
    """Minima and maxima relative to the peak, from -127 to 127."""
    lows, highs = sound.lows, sound.highs
    loudest = float(np.abs([lows, highs]).max(initial=0.0)) or 1.0
    low, high = (np.rint(each / loudest * _PEAK).astype(int).tolist() for each in (lows, highs))
    return {"step": sound.stretch_s, "loudest": round(loudest, 3), "lows": low, "highs": high}


def _spectrogram(sound: Sound) -> dict[str, Any]:
    """The picture, its corners in seconds and mels, and the ticks of its vertical axis."""
    config = sound.config
    ends = hz_to_mel(np.array([config.effective_fmin, config.effective_fmax]), htk=config.htk)
    step = (ends[1] - ends[0]) / (config.n_mels + 1)
    ticks = np.array([hz for hz in _TICKS_HZ if hz < config.effective_fmax], dtype=np.float64)
    half = config.hop_length / config.sample_rate / 2
    begin = sound.start_s - half
    return {
        "src": spectrogram_uri(sound),
        "times": [begin, begin + sound.column_s * len(sound.levels)],
        "mels": [ends[0] + step / 2, ends[1] - step / 2],
        "ticks": hz_to_mel(ticks, htk=config.htk).tolist(),
        "names": [f"{hz / 1000:g}k" if hz >= 1000 else f"{hz:g}" for hz in ticks],
    }


def _why(why: Why, sound: Sound) -> dict[str, Any]:
    edges = np.array([[span.low_hz, span.high_hz] for span in why.spans]).reshape(-1, 2)
    mels = hz_to_mel(edges, htk=sound.config.htk)
    return {
        "src": why_uri(why, sound),
        "times": [why.times_s[0], why.times_s[-1]],
        "spans": [
            {"start": span.start_s, "end": span.end_s, "low": low, "high": high}
            for span, (low, high) in zip(why.spans, mels.tolist(), strict=True)
        ],
    }


def _probabilities(prediction: Prediction) -> dict[str, Any]:
    """The labels with the highest probabilities, as steps from the start of each segment."""
    entries = prediction.timeline
    labels = [candidate.label for candidate in entries[0].candidates]
    values = np.array([[candidate.probability for candidate in e.candidates] for e in entries])
    highest = np.argsort(-values.max(axis=0), kind="stable")[:_MOST_LINES]
    kept = sorted(highest, key=lambda column: -float(values[:, column].mean()))
    times, lines = _downsampled(entries, values[:, kept])
    return {
        "times": times,
        "labels": [display(labels[column]) for column in kept],
        "lines": np.round(lines, 4).T.tolist(),
        "left_out": len(labels) - len(kept),
    }


def _downsampled(
    entries: Sequence[TimelineEntry], values: NDArray[np.float64]
) -> tuple[list[float], NDArray[np.float64]]:
    """The starts of the segments and the end of the last, and their values, the last one twice.

    A segment that overlaps the next ends where the next starts. More than `_MOST_POINTS` segments are
    averaged in groups.
    """
    size = -(-len(entries) // _MOST_POINTS)
    firsts = list(range(0, len(entries), size))
    means = np.add.reduceat(values, firsts, axis=0) / np.diff([*firsts, len(entries)])[:, None]
    times = [round(entries[first].start_s, 3) for first in firsts]
    return [*times, round(entries[-1].end_s, 3)], np.vstack([means, means[-1:]])


def data_uri(content: bytes, kind: str) -> str:
    """`content` as a data URI."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def spectrogram_uri(sound: Sound) -> str:
    """The spectrogram: time to the right, mels upwards, levels from dark to bright."""
    from PIL import Image

    scaled = levels(sound.levels, each_bin=False)
    image = Image.fromarray(np.ascontiguousarray((scaled.T[::-1] * 255).astype(np.uint8)))
    image.putpalette([channel for colour in palette(256) for channel in colour])
    return _uri(image)


def why_uri(why: Why, sound: Sound) -> str:
    """The changes of probability on the spectrogram's axes, opaque in proportion to their size."""
    from PIL import Image

    centres = mel_edges(sound.config)[1:-1]
    bands = np.searchsorted(why.bands_hz[1:-1], centres, side="right")
    times = np.linspace(why.times_s[0], why.times_s[-1], _WHY_COLUMNS, endpoint=False)
    columns = np.searchsorted(why.times_s[1:-1], times, side="right")
    drops = why.drops[columns][:, bands].T[::-1]
    largest = float(np.nanmax(np.abs(drops), initial=0.0)) or 1.0
    pixels = np.zeros((*drops.shape, 4), dtype=np.uint8)
    weights = np.nan_to_num(drops) / largest
    pixels[..., :3] = np.where(weights[..., None] >= 0, _RAISES, _LOWERS)
    pixels[..., 3] = (np.abs(weights) ** _CONTRAST * _MOST_OPAQUE).astype(np.uint8)
    pixels[np.isnan(drops)] = _NOT_SEARCHED
    return _uri(Image.fromarray(pixels))


def _uri(image: "Image") -> str:
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=False, compress_level=6)
    return data_uri(stream.getvalue(), "image/png")
