"""Shared by all benchmarks: variants that alternate, whole processes, peak memory, rows of a table.

Import it before numpy (`# isort: skip`), which then uses one thread, as in audiocnn.
"""

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
os.environ.update(ONE_THREAD)

import numpy as np  # noqa: E402

AUDIOCNN = str(Path(sys.executable).parent / "audiocnn")
RATE = 22050
_PACKAGES = (
    *("audiocnn-cli", "librosa", "numpy", "scipy", "soundfile", "soxr", "onnxruntime"),
    *("kaldi-native-fbank", "opensmile"),
)


def row(what: str, value: str, wanted: str, holds: bool) -> None:
    """Print one line of the table."""
    print(f"{'ok  ' if holds else 'MISS'}  {what:<72} {value:>18}   {wanted}", flush=True)


def by_turns(
    contestants: Mapping[str, Callable[[], object]],
    *,
    repeats: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """The median seconds of each variant; they alternate, after one warm-up run each."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(repeats + 1):
        for name, run in contestants.items():
            start = clock()
            run()
            if turn:
                times[name].append(clock() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def audiocnn(*arguments: str | Path) -> None:
    """Run an audiocnn command."""
    process([AUDIOCNN, *map(str, arguments)])


def process(command: list[str], *, limit_threads: bool = False) -> None:
    """Run a process."""
    plain = {k: v for k, v in os.environ.items() if k not in ONE_THREAD}
    env = plain | ONE_THREAD if limit_threads else plain
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)


def core_seconds(run: Callable[[], object]) -> float:
    """The CPU seconds of the processes that `run` starts and waits for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def peak_mib(command: list[str]) -> float:
    """Peak resident memory of the largest process of a command."""
    code = "import resource, subprocess, sys\n"
    code += "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
    code += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"
    finished = subprocess.run(
        [sys.executable, "-c", code, *command], check=True, capture_output=True, text=True
    )
    return float(finished.stdout)


def music(seconds: float, rate: int = RATE, *, channels: int = 1) -> "np.ndarray[Any, np.dtype[np.float32]]":
    """A synthetic signal with a tone, beats and noise, of shape (samples, channels)."""
    rng = np.random.default_rng(0)
    t = np.arange(int(seconds * rate)) / rate
    beat = np.exp(-6 * (t * 2 % 1))
    wave = 0.2 * np.sin(2 * np.pi * 220 * t) + 0.2 * beat * rng.standard_normal(len(t))
    return np.stack([wave * (1 - 0.3 * c) for c in range(channels)], axis=1).astype(np.float32)


def versions() -> dict[str, str]:
    """The versions of the packages that are measured."""
    found = {"python": sys.version.split()[0]}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
