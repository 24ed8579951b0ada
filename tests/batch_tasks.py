"""Tasks for tests of the batch: what is to happen to an input is in its name."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.task import WithoutFiles
from audiocnn_cli.errors import FailureKind, InputError, OutputError


@dataclass(frozen=True)
class Echo(WithoutFiles):
    """Gives back the path; `die`, `kill-once`, `hang`, `corrupt`, `bug`, `full` in it happen.

    Each call adds a line to `log`, where one is given; `size` is what a result weighs, `seconds` what each
    takes, `slow_s` what those with `slow` in their name do.
    """

    log: Path | None = None
    size: int = 0
    seconds: float = 0.0
    slow_s: float = 0.0
    modules: ClassVar[tuple[str, ...]] = ()

    def prepare(self) -> Callable[[Source], str]:
        return self._work

    def _work(self, source: Source) -> str:
        name = source.path
        first = self._note(name)
        if "die" in name:
            os.kill(os.getpid(), signal.SIGSEGV)
        if "kill-once" in name and first:
            os.kill(os.getpid(), signal.SIGKILL)
        if "hang" in name:
            time.sleep(600)
        if "corrupt" in name:
            raise InputError(name, FailureKind.CORRUPT, "is broken")
        if "bug" in name:
            raise ZeroDivisionError("a bug")
        if "full" in name:
            raise OutputError(f"{name}: the disk is full")
        time.sleep(self.slow_s if "slow" in name else self.seconds)
        return name + "x" * self.size

    def _note(self, name: str) -> bool:
        """Whether this is the first time that `name` is worked on."""
        if self.log is None:
            return True
        seen = self.log.read_text().splitlines() if self.log.exists() else []
        with self.log.open("a") as stream:
            stream.write(name + "\n")
        return name not in seen


@dataclass(frozen=True)
class NotHere(WithoutFiles):
    """Work that can't be prepared anywhere."""

    modules: ClassVar[tuple[str, ...]] = ()

    def prepare(self) -> Callable[[Source], str]:
        raise ImportError("no such library")


@dataclass(frozen=True)
class NeverReady(WithoutFiles):
    """Workers that die before they begin."""

    modules: ClassVar[tuple[str, ...]] = ()

    def prepare(self) -> Callable[[Source], str]:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


def sources(*names: str) -> list[Source]:
    """Sources of these paths."""
    return [Source(name) for name in names]
