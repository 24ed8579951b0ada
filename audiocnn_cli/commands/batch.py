"""Batches of commands: progress on the terminal, and the journal of a data set, added to `batch.job`."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from audiocnn_cli.audio.sources import find_audio
from audiocnn_cli.batch import job as batch
from audiocnn_cli.batch.inputs import named_apart
from audiocnn_cli.batch.job import BatchOptions
from audiocnn_cli.batch.outcome import Counts, Failure
from audiocnn_cli.commands.options import WholeBatch
from audiocnn_cli.datasets.dataset import Dataset
from audiocnn_cli.datasets.result_folder import ResultFolder
from audiocnn_cli.datasets.storage import is_url
from audiocnn_cli.errors import ExitCode
from audiocnn_cli.output.terminal.progress import Progress, on_terminal

__all__ = ["BatchOptions", "Job", "batch_options", "output_everywhere", "run_job"]

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(batch.Job[R]):
    """As `batch.job.Job`, with the seconds of audio of a result, and where results have files or rows."""

    audio_s: Callable[[R], float]
    files: ResultFolder | None = None
    dataset: Dataset[R] | None = None


def batch_options(paths: list[str] | None, many: WholeBatch, *, force: bool) -> BatchOptions:
    """The batch that the options of a command describe."""
    return BatchOptions(**{"retry_failures": None, "shard": None, **vars(many)}, paths=paths, force=force)


def run_job(job: Job[R], options: BatchOptions, write: Callable[[Iterator[R | Failure]], Counts]) -> ExitCode:
    """Run the batch and pass its outcomes to `write`.

    Raises:
        UsageError: options that contradict each other, or --resume without a journal.
        AudiocnnError: an error that ends the batch.
    """
    options.check()
    # Standard input and the failure log can't be listed a second time to count the inputs.
    listed_once = options.retry_failures is not None or {"-", "@-"} & set(options.paths or [])
    progress = Progress(
        job.audio_s,
        inputs=() if listed_once else options.inputs(job.find),
        on_terminal=on_terminal(streams_results=not job.in_order),
    )
    dataset = job.dataset
    if dataset is None:
        if job.files is not None and options.retry_failures is None:
            find = job.find or partial(find_audio, options.paths or [])
            job = replace(job, find=partial(named_apart, find, again=not listed_once))
        folder = job.files.path if job.files else None
        output_of = job.files.file_of if job.files and folder else None
        return batch.run_job(job, options, write, observers=[progress], folder=folder, output_of=output_of)
    from audiocnn_cli.datasets.journal import DatasetJournal, require_no_parts

    if not (options.resume or options.force):
        require_no_parts(dataset, options.part)
    return batch.run_job(
        job,
        options,
        write,
        observers=[progress],
        folder=dataset.path,
        open_journal=partial(DatasetJournal, dataset),
    )


def output_everywhere(output: str | None, cluster: str | None) -> str | None:
    """The value of -o as an absolute path, for the workers of a cluster; a `/` at its end stays."""
    if output is None or cluster is None or is_url(output):
        return output
    return os.path.abspath(output) + "/" * output.endswith("/")  # noqa: PTH100 (keeps links)
