"""A cost model of batches: its terms are measured, and its predictions compared with whole batches.

Run it as `python benchmarks/batch.py --only cost`.
"""

import statistics
import time
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

from measure import RATE, audiocnn, by_turns, core_seconds, music, row  # isort: skip

from archives import Nothing, Settings, dask_workers, songs

from audiocnn_cli.audio.sources import Source

MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The terms of the cost of a batch, in seconds of one core.

    `decode`, `features` and `inference` are for an hour of audio, `each_s` is the overhead of a file, of
    which `here_s` is that of the submitting process; `start_s` is the time before the first file.
    """

    decode: float
    features: float
    inference: float
    each_s: float
    here_s: float
    start_s: float

    @classmethod
    def median(cls, costs: "list[Cost]") -> "Cost":
        """The median of each term."""
        return cls(
            **{
                field.name: statistics.median(getattr(each, field.name) for each in costs)
                for field in fields(cls)
            }
        )

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
        """Predicted wall-clock seconds; `network` is what all workers together read, in bytes per second."""
        hours = files * seconds_each / 3600
        work = hours * (self.decode + self.features + inference * self.inference)
        busy = (work + files * self.each_s) / workers
        return self.start_s + max(busy, files * self.here_s, files * bytes_each / network)


def measured_cost(settings: Settings) -> Cost:
    """Measure each term, in one process."""
    from audiocnn_cli.audio.load import load
    from audiocnn_cli.batch.run import Workers, run_batch
    from audiocnn_cli.classify.work import Classification, ModelChoice
    from audiocnn_cli.features.config import FeatureConfig
    from audiocnn_cli.features.extract import extract
    from audiocnn_cli.models.registry import DEFAULT_MODEL, find_model

    song = next(songs(settings, count=40, times=10, suffix=".flac").rglob("*.flac"))
    samples = music(30)[:, 0]
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
        clock=time.process_time,  # CPU time is less affected by other load
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
    """Measure the terms and whole batches, compare the predictions, and predict larger batches.

    The speed of a shared machine varies by the minute, so each repeat measures the terms again.
    """
    folder = songs(settings, count=40, times=10, suffix=".flac")
    with dask_workers(2) as address:
        turns = [
            (measured_cost(settings), whole_batches(folder, address)) for _ in range(settings.repeats + 1)
        ][1:]
    parts = Cost.median([each for each, _ in turns])
    print(
        f"      an hour of audio: decode {parts.decode:.2f} s, features {parts.features:.2f} s, inference"
        f" {parts.inference:.2f} s; a file {parts.each_s * 1e3:.2f} ms, start {parts.start_s:.2f} s"
    )
    for command, name in turns[0][1]:
        workers = 1 if name in ("a core", "-j 1") else 2
        infer = command == "classify"
        predicted = [
            each.seconds(files=400, seconds_each=30, workers=workers, inference=infer) for each, _ in turns
        ]
        took = [times[command, name] for _, times in turns]
        ratio = statistics.median(t / s for t, s in zip(predicted, took, strict=True))
        middle = f"predicted {statistics.median(predicted):.2f} s, took {statistics.median(took):.2f} s"
        what = f"{command} of 400 songs, {name}: {middle}"
        row(what, f"{ratio:.2f} of it", "0.7 to 1.4", 0.7 <= ratio <= 1.4)
    larger(parts, bytes_each=next(folder.rglob("*.flac")).stat().st_size)


def whole_batches(folder: Path, address: str) -> dict[tuple[str, str], float]:
    """Seconds of each command by each kind of workers; "a core" is the CPU time of one job."""
    times = {}
    for command in ("features", "classify"):
        whole = (command, folder, "--jsonl", "-q")
        for name, options in (
            ("-j 1", ("-j", "1")),
            ("-j 2", ("-j", "2")),
            ("two Dask workers", ("--cluster", address)),
        ):
            start = time.perf_counter()
            used = core_seconds(partial(audiocnn, *whole, *options))
            times[command, name] = time.perf_counter() - start
            if name == "-j 1":
                times[command, "a core"] = used
    return times


def larger(parts: Cost, *, bytes_each: int) -> None:
    """Print predictions for batches that were not measured."""
    print(f"      100,000 songs of 30 s (FLAC, {bytes_each / 1e6:.1f} MB each), classified:")
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
            bytes_each=bytes_each,
            network=network,
        )
        print(f"        {where:<64} {seconds / 60:8.1f} min")
