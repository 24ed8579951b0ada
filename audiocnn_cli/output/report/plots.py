"""The numbers that a page's plots are drawn from, as small as a screen needs them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from audiocnn_cli.classify.prediction import Prediction, TimelineEntry
from audiocnn_cli.features.mel import hz_to_mel
from audiocnn_cli.inspection.occlusion import Why
from audiocnn_cli.output.report.pictures import spectrogram_uri, why_uri
from audiocnn_cli.output.report.sound import Sound
from audiocnn_cli.output.terminal.console import display

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MOST_LINES = 8
_MOST_POINTS = 1500
_LOUDEST = 127
_TICKS_HZ = (200, 500, 1000, 2000, 5000, 10000)


def plots_of(prediction: Prediction, why: Why, sound: Sound) -> dict[str, Any]:
    """What the page's script reads: times in seconds of the recording."""
    return {
        "start": round(sound.start_s, 3),
        "end": round(sound.start_s + sound.duration_s, 3),
        "kept": round(sound.kept_s, 3),
        "wave": _wave(sound),
        "spectrogram": _spectrogram(sound),
        "why": _why(why, sound),
        "probabilities": _probabilities(prediction),
        "events": [
            {"start": round(event.start_s, 3), "end": round(event.end_s, 3)}
            for event in prediction.events
        ],
    }


def _wave(sound: Sound) -> dict[str, Any]:
    """Lows and highs as shares of the loudest sample, from -127 to 127."""
    import numpy as np

    lows, highs = sound.lows, sound.highs
    loudest = float(np.abs([lows, highs]).max(initial=0.0)) or 1.0
    lows, highs = (np.rint(each / loudest * _LOUDEST).astype(int) for each in (lows, highs))
    return {
        "step": sound.stretch_s,
        "loudest": round(loudest, 3),
        "lows": lows.tolist(),
        "highs": highs.tolist(),
    }


def _spectrogram(sound: Sound) -> dict[str, Any]:
    """The picture, where it lies in seconds and mels, and the mels of round frequencies."""
    import numpy as np

    config = sound.config
    ends = hz_to_mel(np.array([config.fmin, config.effective_fmax]), htk=config.htk)
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
    return {
        "src": why_uri(why, sound),
        "times": [why.times_s[0], why.times_s[-1]],
        "spans": [
            {"start": span.start_s, "end": span.end_s, "low": low, "high": high}
            for span, (low, high) in zip(why.spans, _mels(why, sound), strict=True)
        ],
    }


def _mels(why: Why, sound: Sound) -> list[list[float]]:
    import numpy as np

    edges = np.array([[span.low_hz, span.high_hz] for span in why.spans]).reshape(-1, 2)
    mels: list[list[float]] = hz_to_mel(edges, htk=sound.config.htk).tolist()
    return mels


def _probabilities(prediction: Prediction) -> dict[str, Any]:
    """The lines of the labels that reach highest, as steps from the start of each segment."""
    import numpy as np

    entries = prediction.timeline
    labels = [candidate.label for candidate in entries[0].candidates]
    values = np.array([[candidate.probability for candidate in e.candidates] for e in entries])
    highest = np.argsort(-values.max(axis=0), kind="stable")[:_MOST_LINES]
    kept = sorted(highest, key=lambda place: -float(values[:, place].mean()))
    times, lines = _fewer(entries, values[:, kept])
    return {
        "times": times,
        "labels": [display(labels[place]) for place in kept],
        "lines": np.round(lines, 4).T.tolist(),
        "left_out": len(labels) - len(kept),
    }


def _fewer(
    entries: Sequence[TimelineEntry], values: "NDArray[np.float64]"
) -> tuple[list[float], "NDArray[np.float64]"]:
    """The starts of the segments and the end of the last, and their values, that of the last twice.

    Where segments overlap, one lasts until the next begins. Of many, so many neighbours are averaged that
    a screen has room for them.
    """
    import numpy as np

    together = -(-len(entries) // _MOST_POINTS)
    firsts = list(range(0, len(entries), together))
    sums = np.add.reduceat(values, firsts, axis=0)
    counts = np.diff([*firsts, len(entries)])
    means = sums / counts[:, None]
    times = [round(entries[first].start_s, 3) for first in firsts]
    return [*times, round(entries[-1].end_s, 3)], np.vstack([means, means[-1:]])
