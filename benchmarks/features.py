"""How fast and how lean `audiocnn features` is, beside librosa and others doing the same work.

    python benchmarks/features.py            all of it, some minutes
    python benchmarks/features.py --quick    without the hour-long recordings
    python benchmarks/features.py --only warm,folder

Everything is measured in one run on one machine, contestants by turns, as medians; so the ratios mean
something, the seconds little. Other work on the machine makes them worse.
"""

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from measure import AUDIOCNN, RATE, by_turns, music, peak_mib, process, row, versions  # isort: skip

import numpy as np
import soundfile

FEATURES = [AUDIOCNN, "features"]
LIBROSA_LOOP = """
import sys, librosa
for path in sys.argv[1:]:
    y, sr = librosa.load(path)
    librosa.feature.mfcc(y=y, sr=sr, n_mfcc=13)
"""
# openSMILE's own components for the same work: 13 MFCC of 128 bands, 2048 samples every 512.
SMILE_MFCC = """
[componentInstances:cComponentManager]
instance[dataMemory].type=cDataMemory
instance[frames].type=cFramer
instance[window].type=cWindower
instance[fft].type=cTransformFFT
instance[magnitude].type=cFFTmagphase
instance[mel].type=cMelspec
instance[mfcc].type=cMfcc

\\{\\cm[source{?}:include external source]}

[frames:cFramer]
reader.dmLevel=wave
writer.dmLevel=frames
frameMode=fixed
frameSize=0.092879818594104
frameStep=0.023219954648526
[window:cWindower]
reader.dmLevel=frames
writer.dmLevel=window
winFunc=hann
[fft:cTransformFFT]
reader.dmLevel=window
writer.dmLevel=fft
[magnitude:cFFTmagphase]
reader.dmLevel=fft
writer.dmLevel=magnitude
[mel:cMelspec]
reader.dmLevel=magnitude
writer.dmLevel=mel
nBands=128
usePower=1
lofreq=0
hifreq=11025
[mfcc:cMfcc]
reader.dmLevel=mel
writer.dmLevel=lld
writer.levelconf.growDyn=1
writer.levelconf.isRb=0
firstMfcc=0
lastMfcc=12

\\{\\cm[sink{?}:include external sink]}
"""
LIBROSA_POOL = """
import sys, librosa
from concurrent.futures import ProcessPoolExecutor
def work(path):
    y, sr = librosa.load(path)
    return librosa.feature.mfcc(y=y, sr=sr, n_mfcc=13).shape
if __name__ == "__main__":
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(work, sys.argv[1:]))
"""


def times_as_fast(what: str, times: dict[str, float], ours: str, theirs: str, wanted: float) -> None:
    """Print how many times as fast ours is."""
    ratio = times[theirs] / times[ours]
    row(
        f"{what}: {ours} {times[ours] * 1e3:.1f} ms, {theirs} {times[theirs] * 1e3:.1f} ms",
        f"{ratio:.2f} times as fast",
        f">= {wanted}",
        ratio >= wanted,
    )


def share(what: str, times: dict[str, float], ours: str, theirs: str, wanted: float) -> None:
    """Print which part of the time of theirs ours takes."""
    ratio = times[ours] / times[theirs]
    row(
        f"{what}: {times[ours] * 1e3:.0f} ms, {theirs} {times[theirs] * 1e3:.0f} ms",
        f"{ratio:.3f} of it",
        f"<= {wanted}",
        ratio <= wanted,
    )


def warm(folder: Path) -> None:
    """MFCC of 30 s in memory, one thread."""
    import librosa

    from audiocnn_cli.features.config import FeatureConfig
    from audiocnn_cli.features.extract import extract

    y = music(30, RATE)[:, 0]
    config = FeatureConfig()
    contestants: dict[str, Callable[[], object]] = {
        "audiocnn": lambda: extract(y, config),
        "librosa": lambda: librosa.feature.mfcc(y=y, sr=RATE, n_mfcc=13),
    }
    if find_spec("kaldi_native_fbank"):
        import kaldi_native_fbank as knf

        options = knf.MfccOptions()
        options.frame_opts.dither = 0
        options.frame_opts.samp_freq = RATE
        samples = (y * 32768).tolist()

        def kaldi() -> None:
            computer = knf.OnlineMfcc(options)
            computer.accept_waveform(RATE, samples)
            computer.input_finished()
            for frame in range(computer.num_frames_ready):
                computer.get_frame(frame)

        from audiocnn_cli.features.config import Dialect
        from audiocnn_cli.features.dialects import config_like

        like_kaldi = config_like(Dialect.KALDI, {"sample_rate": RATE})
        contestants |= {"kaldi-native-fbank": kaldi, "audiocnn like kaldi": lambda: extract(y, like_kaldi)}
    if find_spec("opensmile"):
        import opensmile

        recipe = folder / "mfcc.conf"
        recipe.write_text(SMILE_MFCC)
        smile = opensmile.Smile(str(recipe), feature_level="lld")
        contestants["openSMILE"] = lambda: smile.process_signal(y, RATE)
    times = by_turns(contestants, repeats=15)
    times_as_fast("warm, one thread, MFCC of 30 s", times, "audiocnn", "librosa", 3.2)
    beside = {"openSMILE": "audiocnn", "kaldi-native-fbank": "audiocnn like kaldi"}
    for theirs, ours in beside.items():
        if theirs in times:
            times_as_fast("the same", times, ours, theirs, 1)


def whole_process(folder: Path) -> None:
    """One 30 s WAV: start to end, and peak memory."""
    path = folder / "clip.wav"
    soundfile.write(path, music(30, RATE), RATE)
    contestants = {
        "audiocnn": lambda: process([*FEATURES, str(path), "--json"]),
        "librosa": lambda: process([sys.executable, "-c", LIBROSA_LOOP, str(path)]),
    }
    share("whole process, 30 s WAV", by_turns(contestants, repeats=7), "audiocnn", "librosa", 0.20)
    peak = peak_mib([*FEATURES, str(path), "--json"])
    row("peak memory, 30 s WAV", f"{peak:.0f} MiB", "<= 100 MiB", peak <= 100)


def many(folder: Path) -> None:
    """A folder of 40 WAV files, two jobs."""
    clips = folder / "clips"
    clips.mkdir()
    wave = music(30, RATE)
    for i in range(40):
        soundfile.write(clips / f"{i:02}.wav", np.roll(wave, i * 1000), RATE)
    paths = [str(path) for path in sorted(clips.iterdir())]
    pool = folder / "pool.py"
    pool.write_text(LIBROSA_POOL)
    contestants = {
        "audiocnn": lambda: process([*FEATURES, str(clips), "--jobs", "2", "--jsonl"]),
        "librosa, one process": lambda: process([sys.executable, "-c", LIBROSA_LOOP, *paths]),
        "librosa, two processes": lambda: process([sys.executable, str(pool), *paths], limit_threads=True),
    }
    times = by_turns(contestants, repeats=5)
    times_as_fast("40 WAV files, two jobs", times, "audiocnn", "librosa, one process", 5)
    times_as_fast("40 WAV files, two jobs", times, "audiocnn", "librosa, two processes", 3)


def mp3(folder: Path) -> None:
    """A 210 s stereo MP3 at 44.1 kHz: the whole process, and warm beside the three stages alone."""
    import scipy.fft
    import soxr

    from audiocnn_cli.audio.sources import Source
    from audiocnn_cli.features.config import FeatureConfig
    from audiocnn_cli.features.plan import Plan
    from audiocnn_cli.features.result import extract_source

    path = folder / "long.mp3"
    soundfile.write(path, music(210, 44100, channels=2), 44100)
    contestants: dict[str, Callable[[], object]] = {
        "audiocnn": lambda: process([*FEATURES, str(path), "--json"]),
        "librosa": lambda: process([sys.executable, "-c", LIBROSA_LOOP, str(path)]),
    }
    share("whole process, 210 s stereo MP3", by_turns(contestants, repeats=5), "audiocnn", "librosa", 0.28)

    samples, _ = soundfile.read(path, dtype="float32")
    mono = samples.mean(axis=1)
    resampled = soxr.resample(mono, 44100, RATE)
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(resampled, 1024), 2048)[::512]

    def transform() -> None:
        for start in range(0, len(frames), 256):
            scipy.fft.rfft(frames[start : start + 256])

    def decode() -> None:
        with soundfile.SoundFile(path) as sound:
            sound.seekable = lambda: False
            while len(sound.read(65536, dtype="float32")):
                pass

    plan = Plan((FeatureConfig(),))
    warm_times = by_turns(
        {
            "audiocnn": lambda: extract_source(Source(str(path)), plan),
            "decode": decode,
            "soxr": lambda: soxr.resample(mono, 44100, RATE),
            "rfft": transform,
        },
        repeats=7,
    )
    parts = sum(warm_times[name] for name in ("decode", "soxr", "rfft"))
    detail = {name: round(seconds * 1e3) for name, seconds in warm_times.items()}
    ratio = warm_times["audiocnn"] / parts
    row(
        f"warm, the same MP3, beside decode + soxr + rfft alone {detail} ms",
        f"{ratio:.2f} of them",
        "<= 1.35",
        ratio <= 1.35,
    )


def endless(folder: Path) -> None:
    """A 10-hour stereo recording in bounded memory."""
    path = folder / "ten_hours.wav"
    minute = (music(60, 44100, channels=2) * 32767 * 0.5).astype(np.int16)
    with soundfile.SoundFile(path, "w", 44100, 2, "PCM_16", format="RF64") as sound:
        for _ in range(600):
            sound.write(minute)
    start = time.perf_counter()
    peak = peak_mib([*FEATURES, str(path), "-o", str(folder / "ten.npz"), "--json"])
    seconds = time.perf_counter() - start
    row(
        f"peak memory, 10 h of 44.1 kHz stereo, MFCC to npz, {seconds:.0f} s",
        f"{peak:.0f} MiB",
        "< 400 MiB",
        peak < 400,
    )
    path.unlink()


PARTS = {"warm": warm, "process": whole_process, "folder": many, "mp3": mp3, "endless": endless}


def main() -> None:
    """Run the given parts and print their rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", help=f"parts, with commas: {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="without the 10-hour recording")
    arguments = parser.parse_args()
    names = arguments.only.split(",") if arguments.only else list(PARTS)
    if arguments.quick and not arguments.only:
        names.remove("endless")
    print("versions:", json.dumps(versions()))
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            PARTS[name](Path(folder))
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"load {os.getloadavg()[0]:.1f} at the end; this script itself peaked at {own:.0f} MiB")


if __name__ == "__main__":
    main()
