"""How batches scale: jobs, overhead a file, start of the pool, memory, Dask, and a model of the cost.

    python benchmarks/batch.py                    all of it, some minutes
    python benchmarks/batch.py --quick            fewer files where that will do
    python benchmarks/batch.py --only jobs,dask
    python benchmarks/batch.py --data FOLDER      short clips (default ../shared/data/fsdd)

Contestants take turns in one run on one machine, and medians are compared; so the ratios mean something,
the seconds little. Other work on the machine makes them worse. Without the folder of clips, 2,500 are
synthesised.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
os.environ.update(ONE_THREAD)

import numpy as np  # noqa: E402
import soundfile  # noqa: E402

from audiocnn_cli.audio.sources import Source  # noqa: E402

AUDIOCNN = [sys.executable, "-m", "audiocnn_cli"]
RATE = 22050
_NAMES_PER_FOLDER = 1000
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Settings:
    """What was asked for on the command line, and a folder to work in."""

    data: Path
    folder: Path
    quick: bool

    @property
    def repeats(self) -> int:
        """Turns of each contestant."""
        return 1 if self.quick else 3


@dataclass(frozen=True, slots=True)
class Nothing:
    """A batch's task that costs nothing."""

    modules: ClassVar[tuple[str, ...]] = ()

    def prepare(self) -> Callable[[Source], str]:
        """Nothing is to be loaded."""
        return lambda source: source.path


def row(what: str, value: str, wanted: str, holds: bool) -> None:
    """Print one line of the table."""
    print(f"{'ok  ' if holds else 'MISS'}  {what:<72} {value:>16}   {wanted}", flush=True)


def by_turns(
    contestants: Mapping[str, Callable[[], object]],
    *,
    repeats: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """The median seconds of each, taken by turns after one turn that does not count."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(repeats + 1):
        for name, run in contestants.items():
            start = clock()
            run()
            if turn:
                times[name].append(clock() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def core_seconds(run: Callable[[], object]) -> float:
    """What the processes that `run` starts and waits for use of all cores, however busy these are."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def audiocnn(*arguments: str | Path) -> None:
    """Run a whole command to its end."""
    command = [*AUDIOCNN, *map(str, arguments)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def music(seconds: float) -> "np.ndarray[Any, np.dtype[np.float32]]":
    """Something with tones, beats and noise in it."""
    rng = np.random.default_rng(0)
    t = np.arange(int(seconds * RATE)) / RATE
    beat = np.exp(-6 * (t * 2 % 1))
    wave = 0.2 * np.sin(2 * np.pi * 220 * t) + 0.2 * beat * rng.standard_normal(len(t))
    return wave.astype(np.float32)


def links(folder: Path, count: int, *targets: Path) -> Path:
    """A folder of folders with so many names, which point at these files in turn."""
    for number in range(count):
        below = folder / f"{number // _NAMES_PER_FOLDER:03}"
        if number % _NAMES_PER_FOLDER == 0:
            below.mkdir(parents=True)
        target = targets[number % len(targets)]
        (below / f"{number:06}{target.suffix}").symlink_to(target)
    return folder


def songs(settings: Settings, *, count: int, times: int, suffix: str = ".wav") -> Path:
    """A folder with `count` songs of 30 s, each under `times` names."""
    files = []
    for number in range(count):
        files.append(settings.folder / f"song-{number}{suffix}")
        if not files[-1].exists():
            soundfile.write(files[-1], np.roll(music(30), 997 * number), RATE)
    folder = settings.folder / f"songs-{count}-{times}{suffix}"
    return folder if folder.exists() else links(folder, count * times, *files)


def short_clips(settings: Settings) -> Path:
    """The folder of short clips; where it is not there, 2,500 are made."""
    if settings.data.is_dir():
        return settings.data
    clip = settings.folder / "clip.wav"
    soundfile.write(clip, music(0.45)[::2], RATE // 2)
    made = settings.folder / "clips"
    return made if made.exists() else links(made, 2500, clip)


@contextmanager
def dask_workers(count: int) -> Iterator[str]:
    """The address of a scheduler with so many workers of one thread each, on this machine."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address=None) as local:
        yield local.scheduler_address


def jobs(settings: Settings) -> None:
    """Two jobs beside one, on short clips."""
    clips = short_clips(settings)
    for command in ("features", "classify"):
        whole = (command, clips, "--jsonl", "-q", "-j")
        runs = {jobs: partial(audiocnn, *whole, jobs) for jobs in ("1", "2")}
        times = by_turns(runs, repeats=settings.repeats)
        ratio = times["1"] / times["2"]
        what = f"{command} of short clips: one job {times['1']:.2f} s, two {times['2']:.2f} s"
        row(what, f"{ratio:.2f} times", ">= 1.8", ratio >= 1.8)


def overhead(settings: Settings) -> None:
    """What a file costs when its work costs nothing, without and with a journal."""
    from audiocnn_cli.batch.codec import DataclassCodec
    from audiocnn_cli.batch.executor import Workers
    from audiocnn_cli.batch.journal import Journal
    from audiocnn_cli.batch.run import run_batch

    count = 5000
    inputs = [Source(str(settings.folder / f"{number}.wav")) for number in range(count)]

    def run(path: Path | None = None) -> None:
        if path is None:
            list(run_batch(inputs, Nothing(), workers=Workers(jobs=2)))
            return
        path.unlink(missing_ok=True)
        with Journal(path, DataclassCodec(str), configuration={}) as journal:
            for _ in run_batch(inputs, Nothing(), workers=Workers(jobs=2), journal=journal):
                pass

    times = by_turns(
        {"without": run, "with": lambda: run(settings.folder / "journal.sqlite")}, repeats=3
    )
    for name, seconds in times.items():
        each = seconds / count * 1e3
        row(f"a file of no work, {name} a journal", f"{each:.2f} ms", "<= 2", each <= 2)


def pool(_settings: Settings) -> None:
    """From nothing to the first results of two workers that decode and compute."""
    code = (
        "import time; start = time.perf_counter()\n"
        "from benchmarks.batch import first_results\n"
        "loaded = time.perf_counter(); first_results(); print(time.perf_counter() - loaded)"
    )
    root = Path(__file__).parent.parent
    seconds = [
        float(
            subprocess.run(
                [sys.executable, "-c", code], cwd=root, check=True, capture_output=True, text=True
            ).stdout
        )
        for _ in range(5)
    ]
    median = statistics.median(seconds)
    row("start of a pool of two workers", f"{median:.2f} s", "<= 0.6", median <= 0.6)


def first_results() -> None:
    """Start two workers that could decode and compute, and wait for an answer of each."""
    from audiocnn_cli.batch.processes import ProcessPool

    started = ProcessPool(Loaded(), jobs=2)
    for ticket in range(2):
        started.submit(ticket, Source(str(ticket)))
    answers = 0
    while answers < 2:
        answers += len(started.collect())
    started.close()


@dataclass(frozen=True, slots=True)
class Loaded(Nothing):
    """As `Nothing`, with all that features and classification import."""

    def prepare(self) -> Callable[[Source], str]:
        """Load it."""
        import audiocnn_cli.features.extract
        import audiocnn_cli.models.session  # noqa: F401

        return lambda source: source.path


def memory(settings: Settings) -> None:
    """The largest process of a long batch beside that of a short one, with a journal."""
    clip = settings.folder / "tiny.wav"
    soundfile.write(clip, music(0.05), RATE)
    counts = (2_000, 20_000) if settings.quick else (10_000, 100_000)
    peaks = []
    for count in counts:
        folder = links(settings.folder / f"names-{count}", count, clip)
        journal = settings.folder / f"journal-{count}.sqlite"
        options = ("features", folder, "-j", "2", "--jsonl", "-q", "--journal", journal)
        peaks.append(peak_mib([*AUDIOCNN, *map(str, options)]))
    ratio = peaks[1] / peaks[0]
    what = f"largest process: {counts[0]:,} inputs {peaks[0]:.0f} MiB, {counts[1]:,} {peaks[1]:.0f} MiB"
    row(what, f"{ratio:.2f} times", "<= 1.1", ratio <= 1.1)


def peak_mib(command: list[str]) -> float:
    """Peak resident memory of the largest process of a command."""
    code = "import resource, subprocess, sys\n"
    code += "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
    code += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"
    finished = subprocess.run(
        [sys.executable, "-c", code, *command], check=True, capture_output=True, text=True
    )
    return float(finished.stdout)


def dask(settings: Settings) -> None:
    """Two Dask workers beside two jobs, on 40 songs of 30 s under ten names each."""
    folder = songs(settings, count=40, times=10)
    with dask_workers(2) as address:
        times = by_turns(
            {
                "-j 2": lambda: audiocnn("features", folder, "-j", "2", "--jsonl", "-q"),
                "Dask": lambda: audiocnn("features", folder, "--cluster", address, "--jsonl", "-q"),
            },
            repeats=settings.repeats,
        )
    ratio = times["-j 2"] / times["Dask"]
    what = f"400 songs: -j 2 {times['-j 2']:.2f} s, two Dask workers {times['Dask']:.2f} s"
    row(what, f"{ratio:.2f} of the speed", ">= 0.85", ratio >= 0.85)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a batch costs: seconds of one core, and bytes that travel.

    `decode`, `features` and `inference` are for an hour of audio, `each_s` for a file however short, of
    which `here_s` is spent by the process that submits; `start_s` is before the first file.
    """

    decode: float
    features: float
    inference: float
    each_s: float
    here_s: float
    start_s: float

    def seconds(
        self,
        *,
        files: int,
        seconds_each: float,
        workers: int,
        inference: bool = False,
        bytes_each: float = 0,
        network: float = float("inf"),
    ) -> float:
        """Wall-clock seconds for `files`; `network` is what all workers together read, bytes a second."""
        hours = files * seconds_each / 3600
        work = hours * (self.decode + self.features + inference * self.inference)
        busy = (work + files * self.each_s) / workers
        return self.start_s + max(busy, files * self.here_s, files * bytes_each / network)


def measured_cost(settings: Settings) -> Cost:
    """The parts, each by itself, in one process."""
    from audiocnn_cli.audio.load import load
    from audiocnn_cli.batch.executor import Workers
    from audiocnn_cli.batch.run import run_batch
    from audiocnn_cli.classify.work import Classification, ModelChoice
    from audiocnn_cli.features.config import FeatureConfig
    from audiocnn_cli.features.extract import extract
    from audiocnn_cli.models.registry import DEFAULT_MODEL, find_model

    song = next(songs(settings, count=40, times=10, suffix=".flac").rglob("*.flac"))
    samples = music(30)
    config = FeatureConfig()
    classify = Classification(models=(ModelChoice(find_model(DEFAULT_MODEL).path),)).prepare()
    inputs = [Source(str(settings.folder / f"{number}.wav")) for number in range(2000)]
    two = Workers(jobs=2)
    times = by_turns(
        {
            "decode": lambda: load(Source(str(song)), sample_rate=RATE),
            "features": lambda: extract(samples, config),
            "classify": lambda: classify(Source(str(song))),
        },
        repeats=9,
        clock=time.process_time,  # what a core does, whatever else runs
    )
    times |= by_turns(
        {
            "nothing": lambda: list(run_batch(inputs, Nothing(), workers=two)),
            "start": lambda: audiocnn("features", song, "-j", "1", "--jsonl", "-q"),
        },
        repeats=5,
    )
    hour = 3600 / 30
    inference = times["classify"] - times["decode"] - times["features"]
    each = times["nothing"] / len(inputs)
    return Cost(
        decode=times["decode"] * hour,
        features=times["features"] * hour,
        inference=max(0.0, inference) * hour,
        each_s=2 * each,
        here_s=each,
        start_s=times["start"],
    )


def cost(settings: Settings) -> None:
    """The model of the cost: its parts, whole batches that it foretells, and larger ones that nobody ran."""
    parts = measured_cost(settings)
    print(
        f"      an hour of audio: decode {parts.decode:.2f} s, features {parts.features:.2f} s, inference"
        f" {parts.inference:.2f} s; a file {parts.each_s * 1e3:.2f} ms, start {parts.start_s:.2f} s"
    )
    folder = songs(settings, count=40, times=10, suffix=".flac")
    with dask_workers(2) as address:
        for command in ("features", "classify"):
            whole = (command, folder, "--jsonl", "-q")
            runs = {
                "-j 1": partial(audiocnn, *whole, "-j", "1"),
                "-j 2": partial(audiocnn, *whole, "-j", "2"),
                "two Dask workers": partial(audiocnn, *whole, "--cluster", address),
            }
            infer = command == "classify"
            told = parts.seconds(files=400, seconds_each=30, workers=1, inference=infer)
            used = core_seconds(runs["-j 1"])
            what = f"{command} of 400 songs: foretold {told:.2f} s of a core, used {used:.2f} s"
            row(what, f"{told / used:.2f} of it", "0.7 to 1.4", 0.7 <= told / used <= 1.4)
            for name, took in by_turns(runs, repeats=settings.repeats).items():
                workers = 1 if name == "-j 1" else 2
                told = parts.seconds(files=400, seconds_each=30, workers=workers, inference=infer)
                what = f"{command} of 400 songs, {name}: foretold {told:.2f} s, took {took:.2f} s"
                holds = 0.7 <= told / took <= 1.4
                row(what, f"{told / took:.2f} of it", "0.7 to 1.4", holds)
    size = next(folder.rglob("*.flac")).stat().st_size
    print(f"      100,000 songs of 30 s (FLAC, {size / 1e6:.1f} MB each), classified:")
    for where, workers, network in (
        ("a laptop, 8 cores, its own disk of 500 MiB/s", 8, 500 * MIB),
        ("10 nodes of 32 cores, a shared disk of 1 GiB/s", 320, 1024 * MIB),
        ("100 pods of 2 cores, an object store that gives each 10 MiB/s", 200, 1000 * MIB),
    ):
        seconds = parts.seconds(
            files=100_000,
            seconds_each=30,
            workers=workers,
            inference=True,
            bytes_each=size,
            network=network,
        )
        print(f"        {where:<64} {seconds / 60:8.1f} min")


SECTIONS = {each.__name__: each for each in (jobs, overhead, pool, memory, dask, cost)}


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default=",".join(SECTIONS))
    parser.add_argument("--data", type=Path, default=Path("../shared/data/fsdd"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        settings = Settings(arguments.data.resolve(), Path(scratch), arguments.quick)
        for name in arguments.only.split(","):
            SECTIONS[name](settings)


if __name__ == "__main__":
    main()
