"""The work on one input of a batch, as a task that is sent to workers, and how its results are kept."""

import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.errors import AudiocnnError, FailureKind, SignalError

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

Work = Callable[[Source], R]


class Task(Protocol[R_co]):
    """The configuration of a batch's work: a frozen dataclass of plain values.

    Tasks and results are pickled for other processes and machines. Dataclasses with slots are unpickled more
    slowly, so the results of many inputs are better without slots.
    """

    @property
    def modules(self) -> tuple[str, ...]:
        """Modules that the work imports, and that may be imported before a process is forked.

        A module that starts threads on import (ONNX Runtime) is imported in `prepare` instead.
        """

    @property
    def files(self) -> tuple[Path, ...]:
        """The files, beside its inputs, that the work reads: a worker on another machine gets copies."""

    def with_files(self, moved: Mapping[Path, Path]) -> Self:
        """The same task with each of `files` read from `moved[path]`."""

    def prepare(self) -> Callable[[Source], R_co]:
        """Load what the work needs, once in each worker, and return the work on one input.

        A `SignalError` of the work fails its input; another `AudiocnnError`, also of `prepare`, ends the
        batch (a refused model, a full disk); any other exception is an `internal` failure of the input.
        """


class WithoutFiles:
    """Base class of tasks that read no files but their inputs."""

    __slots__ = ()
    files: ClassVar[tuple[Path, ...]] = ()

    def with_files(self, moved: Mapping[Path, Path]) -> Self:  # noqa: ARG002 (of the protocol)
        """The task itself."""
        return self


@dataclass(frozen=True)
class Attempt(Generic[R]):
    """The outcome of one input and the seconds of work on it; `trace` is the traceback of a bug."""

    outcome: R | Failure
    seconds: float
    trace: str = ""

    @property
    def failure(self) -> Failure | None:
        """The outcome, if the input has failed."""
        return self.outcome if isinstance(self.outcome, Failure) else None


def attempt(work: Work[R], source: Source) -> Attempt[R]:
    """Work on one input, and return failures as values.

    Raises:
        AudiocnnError: an error that is not about this input, and so ends the batch.
    """
    start = time.perf_counter()
    trace = ""
    outcome: R | Failure
    try:
        outcome = work(source)
    except SignalError as error:
        outcome = Failure(source.path, error.kind, error.message)
    except AudiocnnError:
        raise
    except MemoryError:
        message = "needs more memory than there is; take a part of it, or fewer jobs"
        outcome = Failure(source.path, FailureKind.TOO_LARGE, message)
    except Exception as error:  # a bug that one input triggers must not lose the results of the others
        message = f"stopped by a bug in audiocnn ({type(error).__name__}: {error}); `verbose` shows where"
        outcome = Failure(source.path, FailureKind.INTERNAL, message)
        trace = traceback.format_exc()
    return Attempt(outcome, time.perf_counter() - start, trace)


def timeout_failure(source: Source, limit_s: float) -> Failure:
    """The failure of an input that took longer than `limit_s` seconds."""
    message = f"not done within {limit_s:g} s; give more `timeout`, or a part of it"
    return Failure(source.path, FailureKind.TIMEOUT, message)


class InProcess(Generic[R]):
    """Runs the task in this process, on one input at a time."""

    slots = 1

    def __init__(self, task: Task[R]) -> None:
        self._task = task
        self._work: Work[R] | None = None
        self._submitted: list[tuple[int, Source]] = []

    def submit(self, number: int, source: Source) -> None:
        """Keep an input for `collect`."""
        self._submitted.append((number, source))

    def collect(self) -> list[tuple[int, Attempt[R]]]:
        """Work on the first of the submitted inputs."""
        if self._work is None:
            self._work = self._task.prepare()
        number, source = self._submitted.pop(0)
        return [(number, attempt(self._work, source))]

    def close(self) -> None:
        """Discard what was submitted."""
        self._submitted.clear()


class Codec(Protocol[R]):
    """Converts a result for the journal, and back."""

    def pack(self, result: R) -> Any:
        """The result as values that JSON represents."""

    def unpack(self, values: Any) -> R:
        """The result that `pack` was given."""


@dataclass(frozen=True, slots=True)
class DataclassCodec(Generic[R]):
    """Packs a dataclass whose fields are numbers, strings, enums, and tuples and dataclasses of them."""

    type: type[R]

    def pack(self, result: R) -> Any:
        """The result as values that JSON represents."""
        import msgspec

        return msgspec.to_builtins(result)

    def unpack(self, values: Any) -> R:
        """The result that `pack` was given."""
        import msgspec

        return msgspec.convert(values, self.type)
