"""What is done with each input, wherever it is done."""

import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic, Protocol, Self, TypeVar

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.errors import AudiocnnError, FailureKind, SignalError

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

Work = Callable[[Source], R]


class Task(Protocol[R_co]):
    """A recipe that travels: a frozen dataclass of plain values, made into work where the work is done.

    Tasks and their results are pickled on their way to other processes and machines. Dataclasses with slots
    are unpickled more slowly, so what travels for each of many inputs has none.
    """

    @property
    def modules(self) -> tuple[str, ...]:
        """What the work imports and may be imported before a process is forked.

        Nothing that starts threads when it is imported (ONNX Runtime does): that belongs in `prepare`.
        """

    @property
    def files(self) -> tuple[Path, ...]:
        """The files, beside its inputs, that the work reads: a worker on another machine gets copies."""

    def with_files(self, moved: Mapping[Path, Path]) -> Self:
        """The same task with each of `files` read from `moved[path]`."""

    def prepare(self) -> Callable[[Source], R_co]:
        """Load what the work needs, once for each worker, and give the work.

        The work's `SignalError` fails its input; another `AudiocnnError`, also of `prepare`, ends the
        batch (a refused model, a full disk); any other exception is an `internal` failure.
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
    """What came of one input, and how long the work on it took; `trace` is that of a bug."""

    outcome: R | Failure
    seconds: float
    trace: str = ""


def attempt(work: Work[R], source: Source) -> Attempt[R]:
    """Work on one input, with failures as values.

    Raises:
        AudiocnnError: one that is not about this input, so that no other will fare better.
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
    except Exception as error:  # one input's bug must not cost the others their results
        message = f"stopped by a bug in audiocnn ({type(error).__name__}: {error}); -v shows where"
        outcome = Failure(source.path, FailureKind.INTERNAL, message)
        trace = traceback.format_exc()
    return Attempt(outcome, time.perf_counter() - start, trace)
