"""Whole processes, as a person waits for them: python benchmarks/processes.py [--runs N].

Prints a Markdown table: medians, and the ratio to a Python script that does the same with librosa.
The clip is 30 s of noise at 22050 Hz, made on the spot.
"""

import argparse
import importlib.metadata
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

AUDIOCNN = str(Path(sys.executable).parent / "audiocnn")
LIBROSA = """
import sys, librosa
y, sr = librosa.load(sys.argv[1])
print(librosa.feature.mfcc(y=y, sr=sr, n_mfcc=13).shape)
"""


def seconds(command: Sequence[str]) -> float:
    """Wall time of one process."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def medians(commands: dict[str, Sequence[str]], *, runs: int) -> dict[str, float]:
    """The median time of each command; the commands take turns, so that all meet the same machine."""
    for command in commands.values():
        seconds(command)
    times = [[seconds(command) for command in commands.values()] for _ in range(runs)]
    return dict(zip(commands, map(statistics.median, zip(*times, strict=True)), strict=True))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        clip = str(Path(folder) / "clip.wav")
        noise = 0.1 * np.random.default_rng(0).standard_normal(30 * 22050)
        soundfile.write(clip, noise, 22050)
        song = str(Path(folder) / "song.flac")
        loud_and_quiet = np.repeat(np.random.default_rng(1).uniform(0.01, 0.3, 360), 22050)
        noise = np.random.default_rng(2).standard_normal((len(loud_and_quiet), 2))
        soundfile.write(song, np.clip(noise * loud_and_quiet[:, None], -1, 1), 44100)
        page = str(Path(folder) / "r.html")
        report = [AUDIOCNN, "classify", song, "--report", page, "--force"]
        found = medians(
            {
                "a librosa script: load and MFCC": [sys.executable, "-c", LIBROSA, clip],
                "`audiocnn --help`": [AUDIOCNN, "--help"],
                "`audiocnn features clip.wav --json`": [AUDIOCNN, "features", clip, "--json"],
                "`audiocnn classify clip.wav`": [AUDIOCNN, "classify", clip],
                "`audiocnn classify clip.wav --why`": [AUDIOCNN, "classify", clip, "--why"],
                "`audiocnn classify song.flac --report r.html`, 3 minutes of stereo": report,
                "`audiocnn shapes --arch cnn`": [AUDIOCNN, "shapes", "--arch", "cnn"],
            },
            runs=runs,
        )
    reference = next(iter(found.values()))
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}"
        for name in ("librosa", "numpy", "scipy", "onnxruntime", "typer")
    )
    print(
        f"Median of {runs}; Python {platform.python_version()}, {versions}; {os.cpu_count()} cores.\n"
    )
    print("| whole process | seconds | of the librosa script |")
    print("|---|---:|---:|")
    for name, value in found.items():
        print(f"| {name} | {value:.2f} | {value / reference:.2f} |")


if __name__ == "__main__":
    main()
