"""Folders of many recordings, made or linked, and workers to work on them: for benchmarks of batches."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from measure import RATE, music  # isort: skip

import numpy as np
import soundfile

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.task import WithoutFiles

_NAMES_PER_FOLDER = 1000


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
class Nothing(WithoutFiles):
    """A batch's task that costs nothing."""

    modules: ClassVar[tuple[str, ...]] = ()

    def prepare(self) -> Callable[[Source], str]:
        """Nothing is to be loaded."""
        return lambda source: source.path


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
            soundfile.write(files[-1], np.roll(music(30), 997 * number, axis=0), RATE)
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

    before = dict(os.environ)
    with LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address=":0") as local:
        # What is meant for its workers stays in this environment, and would make our own processes slow.
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        yield local.scheduler_address
