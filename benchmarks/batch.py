"""Scaling of batches: jobs, overhead per file, start of the pool, memory, Dask, and a cost model.

    python benchmarks/batch.py                    everything, some minutes
    python benchmarks/batch.py --quick            fewer files and repeats
    python benchmarks/batch.py --only jobs,dask
    python benchmarks/batch.py --data FOLDER      short clips (default ../shared/data/fsdd)

The variants alternate in one run on one machine, and medians are compared: the ratios are meaningful, the
seconds depend on the machine and its load. Without the folder of clips, 2,500 are synthesised.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from measure import AUDIOCNN, RATE, audiocnn, by_turns, music, peak_mib, process, row  # isort: skip

import soundfile
from archives import Nothing, Settings, dask_workers, links, short_clips, songs
from cost import cost

from audiocnn_cli.audio.sources import Source


def jobs(settings: Settings) -> None:
    """Two jobs compared with one, on short clips."""
    clips = short_clips(settings)
    for command in ("features", "classify"):
        whole = (command, clips, "--jsonl", "-q", "-j")
        runs = {jobs: partial(audiocnn, *whole, jobs) for jobs in ("1", "2")}
        times = by_turns(runs, repeats=settings.repeats)
        ratio = times["1"] / times["2"]
        what = f"{command} of short clips: one job {times['1']:.2f} s, two {times['2']:.2f} s"
        row(what, f"{ratio:.2f} times", ">= 1.8", ratio >= 1.8)


def ahead(settings: Settings) -> None:
    """Inputs sent ahead compared with one at a time, on short clips and two jobs."""
    clips = short_clips(settings)
    for command in ("features", "classify"):
        times = by_turns(
            {most: partial(_with_most_ahead, most, command, clips) for most in ("0", "8")},
            repeats=settings.repeats,
        )
        ratio = times["0"] / times["8"]
        what = f"{command}: one at a time {times['0']:.2f} s, sent ahead {times['8']:.2f} s"
        row(what, f"{ratio:.2f} times", ">= 1.1", ratio >= 1.1)


def _with_most_ahead(most: str, command: str, clips: Path) -> None:
    code = (
        f"from audiocnn_cli.batch import pool; pool._MOST_AHEAD = {most}\n"
        "from audiocnn_cli.commands.main import main; main()"
    )
    process([sys.executable, "-c", code, command, str(clips), "--jsonl", "-q", "-j", "2"])


def overhead(settings: Settings) -> None:
    """The overhead per file, without and with a journal."""
    from audiocnn_cli.batch.journal import Journal
    from audiocnn_cli.batch.run import Workers, run_batch
    from audiocnn_cli.batch.task import DataclassCodec

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

    times = by_turns({"without": run, "with": lambda: run(settings.folder / "journal.sqlite")}, repeats=3)
    for name, seconds in times.items():
        each = seconds / count * 1e3
        row(f"a file of no work, {name} a journal", f"{each:.2f} ms", "<= 2", each <= 2)


def pool(_settings: Settings) -> None:
    """The time to the first results of a new pool of two workers that import decoder and features."""
    code = (
        "import time; start = time.perf_counter()\n"
        "from batch import first_results\n"
        "loaded = time.perf_counter(); first_results(); print(time.perf_counter() - loaded)"
    )
    here = Path(__file__).parent
    seconds = [
        float(
            subprocess.run(
                [sys.executable, "-c", code], cwd=here, check=True, capture_output=True, text=True
            ).stdout
        )
        for _ in range(5)
    ]
    median = statistics.median(seconds)
    row("start of a pool of two workers", f"{median:.2f} s", "<= 0.6", median <= 0.6)


def first_results() -> None:
    """Start two workers with all imports, and wait for a result of each."""
    from audiocnn_cli.batch.pool import ProcessPool

    started = ProcessPool(Loaded(), jobs=2)
    for number in range(2):
        started.submit(number, Source(str(number)))
    results = 0
    while results < 2:
        results += len(started.collect())
    started.close()


@dataclass(frozen=True, slots=True)
class Loaded(Nothing):
    """As `Nothing`, with the imports of features and classification."""

    def prepare(self) -> Callable[[Source], str]:
        """Import the modules."""
        import audiocnn_cli.features.extract
        import audiocnn_cli.models.session  # noqa: F401

        return lambda source: source.path


def memory(settings: Settings) -> None:
    """The peak memory of a long batch compared with a short one, with a journal."""
    clip = settings.folder / "tiny.wav"
    soundfile.write(clip, music(0.05), RATE)
    counts = (2_000, 20_000) if settings.quick else (10_000, 100_000)
    peaks = []
    for count in counts:
        folder = links(settings.folder / f"names-{count}", count, clip)
        journal = settings.folder / f"journal-{count}.sqlite"
        options = ("features", folder, "-j", "2", "--jsonl", "-q", "--journal", journal)
        peaks.append(peak_mib([AUDIOCNN, *map(str, options)]))
    ratio = peaks[1] / peaks[0]
    what = f"largest process: {counts[0]:,} inputs {peaks[0]:.0f} MiB, {counts[1]:,} {peaks[1]:.0f} MiB"
    row(what, f"{ratio:.2f} times", "<= 1.1", ratio <= 1.1)


def dask(settings: Settings) -> None:
    """Two Dask workers compared with two jobs, on 40 songs of 30 s under ten names each."""
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


SECTIONS = {each.__name__: each for each in (jobs, ahead, overhead, pool, memory, dask, cost)}


def main() -> None:
    """Run the selected sections."""
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
