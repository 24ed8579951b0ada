"""Wall time of whole processes: python benchmarks/processes.py [--runs N].

Prints two Markdown tables: medians with the ratio to a librosa script that does the same, and the commands
beside a Python process that only imports the packages they need. Commands run by turns. The clip is 30 s of
noise at 22050 Hz, synthesised.
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
FEATURES_NEED = "import numpy, soundfile, soxr, typer"
CLASSIFY_NEEDS = f"{FEATURES_NEED}, onnxruntime, rich.table"
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
    """The median time of each command; they run by turns, so that all meet the same load."""
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
        bare = medians(
            {
                name: command
                for needs, command in (
                    (FEATURES_NEED, ["features", clip]),
                    (CLASSIFY_NEEDS, ["classify", clip]),
                )
                for name, command in (
                    (needs, [sys.executable, "-c", needs]),
                    (f"audiocnn {command[0]} clip.wav", [AUDIOCNN, *command]),
                )
            },
            runs=4 * runs,
        )
    reference = next(iter(found.values()))
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}"
        for name in ("librosa", "numpy", "scipy", "onnxruntime", "typer")
    )
    print(f"Median of {runs}; Python {platform.python_version()}, {versions}; {os.cpu_count()} cores.\n")
    print("| whole process | seconds | of the librosa script |")
    print("|---|---:|---:|")
    for name, value in found.items():
        print(f"| {name} | {value:.2f} | {value / reference:.2f} |")
    print("\n| beside bare imports | seconds | ratio |")
    print("|---|---:|---:|")
    for needs, command in ((FEATURES_NEED, "features"), (CLASSIFY_NEEDS, "classify")):
        name = f"audiocnn {command} clip.wav"
        print(f"| `python -c '{needs}'` | {bare[needs]:.3f} | 1.00 |")
        print(f"| `{name}` | {bare[name]:.3f} | {bare[name] / bare[needs]:.2f} |")


if __name__ == "__main__":
    main()
