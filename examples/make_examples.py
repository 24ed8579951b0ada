"""Synthesise the clips beside this script: python examples/make_examples.py [FOLDER].

They are for trying the command, made from formulas and seeded noise; no recording is in them.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

RATE = 22050
Samples = NDArray[np.float64]


def note_hz(midi: float) -> float:
    """The frequency of a MIDI note in equal temperament, A4 (69) at 440 Hz."""
    return float(440.0 * 2.0 ** ((midi - 69.0) / 12.0))


def tone(hz: float, seconds: float, *, harmonics: int, decay: float) -> Samples:
    """A plucked tone: harmonics at 1/k, an exponential decay of `decay` a second, a 5 ms attack."""
    t = np.arange(round(seconds * RATE)) / RATE
    partials = sum(np.sin(2 * np.pi * hz * k * t) / k for k in range(1, harmonics + 1))
    return np.asarray(partials * np.exp(-decay * t) * np.minimum(1.0, t / 0.005))


def place(events: Sequence[tuple[float, Samples]], seconds: float) -> Samples:
    """Sounds added up at their start times (in seconds), cut at `seconds`."""
    mix = np.zeros(round(seconds * RATE))
    for start_s, sound in events:
        start = round(start_s * RATE)
        stop = min(len(mix), start + len(sound))
        mix[start:stop] += sound[: stop - start]
    return mix


def metronome(seconds: float = 8.0) -> Samples:
    """Clicks at 120 a minute, the first of four higher."""
    clicks = [
        (beat * 0.5, tone(1760.0 if beat % 4 == 0 else 880.0, 0.08, harmonics=3, decay=60.0))
        for beat in range(int(seconds * 2))
    ]
    return place(clicks, seconds)


def rain(seconds: float = 7.0) -> Samples:
    """Noise that falls off with frequency, and some 40 drops a second."""
    random = np.random.default_rng(7)
    spectrum = np.fft.rfft(random.standard_normal(round(seconds * RATE)))
    hz = np.fft.rfftfreq(round(seconds * RATE), 1 / RATE)
    hiss = np.fft.irfft(spectrum * (hz / (hz + 400.0)) / (1.0 + hz / 3000.0))
    drops = [
        (at, 6.0 * tone(float(pitch), 0.02, harmonics=1, decay=250.0))
        for at, pitch in zip(
            random.uniform(0, seconds, int(40 * seconds)),
            random.uniform(1500, 6000, int(40 * seconds)),
            strict=True,
        )
    ]
    return np.asarray(hiss[: round(seconds * RATE)] * 3.0 + 0.3 * place(drops, seconds))


def melody_with_drums(seconds: float = 10.0) -> Samples:
    """A pentatonic tune over a bass drum on each beat and a snare on every other."""
    random = np.random.default_rng(3)
    t = np.arange(round(0.25 * RATE)) / RATE
    kick = 2.5 * np.sin(2 * np.pi * (45 * t + 6 * (1 - np.exp(-25 * t)))) * np.exp(-12 * t)
    snare = 0.8 * random.standard_normal(len(t)) * np.exp(-22 * t)
    scale = (60, 62, 64, 67, 69, 72)
    steps = random.integers(0, len(scale), round(seconds * 4))
    events = [
        (i * 0.25, tone(note_hz(scale[step]), 0.4, harmonics=5, decay=6.0)) for i, step in enumerate(steps)
    ]
    events += [(beat * 0.5, kick) for beat in range(round(seconds * 2))]
    events += [(0.5 + bar, snare) for bar in range(round(seconds))]
    return place(events, seconds)


def chords(seconds: float = 12.0) -> Samples:
    """C, A minor, F and G, each held for three seconds on soft strings."""
    progression = ((48, 55, 64, 72), (45, 57, 64, 72), (41, 57, 65, 72), (43, 55, 62, 71))
    t = np.arange(round(3.2 * RATE)) / RATE
    swell = np.minimum(1.0, t / 0.4) * np.minimum(1.0, (3.2 - t) / 0.4)
    events = []
    for i, notes in enumerate(progression):
        strings = sum(
            np.sin(2 * np.pi * note_hz(n) * k * t + 0.4 * np.sin(2 * np.pi * 5 * t)) / k**1.5
            for n in notes
            for k in range(1, 7)
        )
        events.append((i * 3.0, np.asarray(strings * swell)))
    return place(events, seconds)


def bowed(hz: float, seconds: float, *, decay: float, attack: float, voices: int, seed: int) -> Samples:
    """Bowed strings: harmonics at 1/k^decay with resonances of a body, vibrato, and noise of the bow."""
    random = np.random.default_rng(seed)
    t = np.arange(round(seconds * RATE)) / RATE
    sound = np.zeros(len(t))
    for _ in range(voices):
        tuned = hz * 2 ** (random.normal(0, 5 if voices > 1 else 0) / 1200)
        vibrato = np.minimum(1.0, t / 0.25) * hz * 0.001 * np.sin(2 * np.pi * 5.6 * t + random.uniform(0, 6))
        phase = 2 * np.pi * tuned * t + vibrato
        for k in range(1, min(24, int(RATE / 2.2 / tuned)) + 1):
            body = sum(
                gain * np.exp(-(((tuned * k - at) / width) ** 2))
                for gain, at, width in ((1.5, 450, 150), (1.2, 1000, 250), (1.5, 2600, 600))
            )
            sound += (1 + body) / k**decay * np.sin(k * phase + random.uniform(0, 6))
    bow = 0.02 * random.standard_normal(len(t))
    envelope = np.minimum(1.0, t / attack) * np.clip((seconds - t) / 0.05, 0.0, 1.0)
    return np.asarray((sound / np.abs(sound).max() + bow) * envelope)


def in_a_hall(dry: Samples, *, seconds: float, wet: float) -> Samples:
    """Sound with the reverberation of a hall: convolved with noise that decays by 52 dB."""
    count = round(seconds * RATE)
    echo = np.random.default_rng(1).standard_normal(count) * np.exp(-6 * np.arange(count) / count)
    size = len(dry) + count
    echoing = np.fft.irfft(np.fft.rfft(dry, size) * np.fft.rfft(echo / np.sqrt((echo**2).sum()), size), size)
    return np.asarray((1 - wet) * dry + wet * echoing[: len(dry)])


def violin(seconds: float = 10.0) -> Samples:
    """A slow tune in G on a violin, over five strings that hold chords, in a hall."""
    tune = (
        *(
            (79, 0.5),
            (83, 0.5),
            (86, 0.75),
            (84, 0.25),
            (83, 0.5),
            (81, 0.5),
            (79, 1.0),
            (78, 0.5),
            (81, 0.5),
        ),
        *((84, 0.75), (83, 0.25), (81, 0.5), (79, 0.5), (78, 1.0), (76, 0.5), (79, 0.5), (83, 1.0)),
    )
    events, at = [], 0.0
    for note, length in tune:
        tone = bowed(note_hz(note), 1.08 * length, decay=1.0, attack=0.05, voices=1, seed=note)
        events.append((at, 1.2 * tone))
        at += length
    tonic, dominant = (43, 50, 59, 62, 67), (38, 50, 57, 60, 66)
    harmony = (tonic, dominant, tonic, (38, 50, 54, 60, 69), (40, 52, 55, 59, 64))
    for bar, notes in enumerate(harmony):
        for note in notes:
            tone = bowed(note_hz(note), 2.1, decay=1.3, attack=0.1, voices=3, seed=note)
            events.append((2.0 * bar, 0.6 * tone))
    return in_a_hall(place(events, seconds), seconds=2.0, wet=0.45)


def muted(seconds: float = 4.0) -> Samples:
    """What a muted microphone records: noise 80 dB below full scale."""
    return 1e-4 * np.random.default_rng(11).standard_normal(round(seconds * RATE))


CLIPS: dict[str, Callable[[], Samples]] = {
    "metronome.ogg": metronome,
    "rain.ogg": rain,
    "melody-with-drums.ogg": melody_with_drums,
    "chords.ogg": chords,
    "violin.ogg": violin,
    "muted.ogg": muted,
}
# Not amplified: it is to be silence.
AS_IT_IS = frozenset({"muted.ogg"})


def main(folder: Path) -> None:
    """Write every clip into `folder`, its peak at -3 dB of full scale, except those of `AS_IT_IS`."""
    for name, make in CLIPS.items():
        samples = make()
        gain = 1.0 if name in AS_IT_IS else 0.708 / np.abs(samples).max()
        soundfile.write(folder / name, gain * samples, RATE)
        print(f"{folder / name}: {len(samples) / RATE:.1f} s")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
