"""Run one function over many sources, with failures as values and results as they come."""

import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.errors import AudiocnnError, FailureKind, InputError, SignalError

R = TypeVar("R")
_log = logging.getLogger("audiocnn")

# Enough inputs in flight to keep every worker busy, few enough that a million names are read lazily.
_IN_FLIGHT_PER_JOB = 4


def run_batch(
    inputs: Iterable[Source | InputError],
    work: Callable[[Source], R],
    *,
    jobs: int | None = None,
    in_order: bool = True,
) -> Iterator[R | Failure]:
    """Yield the result of `work` for each input, or its `Failure`.

    Args:
        inputs: read lazily; an `InputError` among them is passed on as a failure.
        work: called in a thread; a `SignalError` it raises fails its input, another `AudiocnnError`
            (a refused model, a full disk) ends the batch, any other exception is an `internal` failure.
        jobs: threads; None for one a core.
        in_order: in the order of the inputs, or as each is done.
    """
    workers = jobs or os.cpu_count() or 1
    with ThreadPoolExecutor(max_workers=workers) as pool:
        pending: deque[Future[R | Failure]] = deque()
        try:
            for item in inputs:
                pending.append(pool.submit(_attempt, work, item))
                if len(pending) >= workers * _IN_FLIGHT_PER_JOB:
                    yield _next(pending, in_order=in_order).result()
            while pending:
                yield _next(pending, in_order=in_order).result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _next(pending: deque[Future[R | Failure]], *, in_order: bool) -> Future[R | Failure]:
    if in_order:
        return pending.popleft()
    finished = wait(pending, return_when=FIRST_COMPLETED).done
    future = next(candidate for candidate in pending if candidate in finished)
    pending.remove(future)
    return future


def _attempt(work: Callable[[Source], R], item: Source | InputError) -> R | Failure:
    if isinstance(item, InputError):
        return Failure(item.path, item.kind, item.message)
    try:
        return work(item)
    except SignalError as error:
        return Failure(item.path, error.kind, error.message)
    except AudiocnnError:
        raise
    except MemoryError:
        message = "needs more memory than there is; take a part of it, or fewer jobs"
        return Failure(item.path, FailureKind.TOO_LARGE, message)
    except Exception as error:  # one input's bug must not cost the others their results
        _log.debug("%s", item.path, exc_info=True)
        message = f"stopped by a bug in audiocnn ({type(error).__name__}: {error}); -v shows where"
        return Failure(item.path, FailureKind.INTERNAL, message)
