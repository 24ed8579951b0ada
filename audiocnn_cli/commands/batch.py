"""What every command over many inputs does around its task: journal, ledger, progress, Ctrl-C, exit code."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from audiocnn_cli import __version__
from audiocnn_cli.errors import ExitCode, UsageError
from audiocnn_cli.output.terminal.console import log

if TYPE_CHECKING:
    from audiocnn_cli.audio.sources import Source
    from audiocnn_cli.batch.executor import Workers
    from audiocnn_cli.batch.failure_log import FailureLog
    from audiocnn_cli.batch.journal.journal import Journal
    from audiocnn_cli.batch.journal.schema import Codec
    from audiocnn_cli.batch.journal.shard import Shard
    from audiocnn_cli.batch.outcome import Counts, Failure, Observer
    from audiocnn_cli.batch.run import Record
    from audiocnn_cli.batch.task import Task
    from audiocnn_cli.datasets.dataset import Dataset
    from audiocnn_cli.datasets.result_folder import ResultFolder
    from audiocnn_cli.errors import InputError

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOptions:
    """The options that commands over many inputs share, as they were given."""

    paths: list[str] | None
    jobs: int | None
    timeout: float | None
    journal: Path | None
    resume: bool
    checksum: bool
    failures: Path | None
    retry_failures: Path | None
    shard: str | None
    cluster: str | None
    force: bool

    def check(self) -> None:
        """Refuse options that contradict each other.

        Raises:
            UsageError: they do, or there is no input.
        """
        if self.retry_failures is not None and (self.paths or self.resume):
            raise UsageError(
                "--retry-failures takes its inputs from that file: give no PATHS and no --resume with it"
            )
        if self.cluster is not None and self.jobs is not None:
            raise UsageError("--cluster has the workers of its scheduler: leave out --jobs")
        if self.retry_failures is None and not self.paths:
            raise UsageError("name the inputs: files, folders, glob patterns, '-' or @list.txt")

    @property
    def asked(self) -> bool:
        """Whether anything is asked for that is for many inputs."""
        given = (
            *(self.journal, self.failures, self.retry_failures),
            *(self.shard, self.timeout, self.cluster),
        )
        return self.resume or self.checksum or any(each is not None for each in given)

    def inputs(
        self, find: "Callable[[], Iterable[Source | InputError]] | None" = None
    ) -> "Iterator[Source | InputError]":
        """What PATHS mean, or what `find` finds, read lazily, from the beginning each time."""
        from audiocnn_cli.audio.sources import find_audio

        found = find_audio(self.paths or []) if find is None else find()
        if self.retry_failures is not None:
            from audiocnn_cli.batch.failure_log import failed_inputs

            found = failed_inputs(self.retry_failures)
        if self.cluster is not None:
            found = map(everywhere, found)
        return iter(found) if self.shard is None else self.part.of(found)

    def workers(self, *, isolated: bool) -> "Workers":
        """Who does the work."""
        from audiocnn_cli.batch.executor import Workers

        return Workers(
            jobs=self.jobs, timeout_s=self.timeout, cluster=self.cluster, isolated=isolated
        )

    @property
    def part(self) -> "Shard":
        """The part of the inputs that the run is about."""
        from audiocnn_cli.batch.journal.shard import Shard

        return Shard() if self.shard is None else Shard.parse(self.shard)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(Generic[R]):
    """The task of a command, and what the batch has to know of its results.

    `recipe`, a dataclass, and `options` are everything that decides a result; `audio_s` gives the seconds of
    audio that a result is about; `files` is where results have files of their own, `dataset` where they have
    rows of a data set; `find` finds the inputs, where they are not simply PATHS; `large_results` are better
    not handed from process to process where there is but one; `no_journal` is why there can be no journal,
    `only_one` why there may be one input only.
    """

    command: str
    task: "Task[R]"
    recipe: object
    options: Mapping[str, str | int | bool | None]
    codec: "Codec[R]"
    audio_s: Callable[[R], float]
    in_order: bool
    files: "ResultFolder | None" = None
    dataset: "Dataset[R] | None" = None
    find: "Callable[[], Iterable[Source | InputError]] | None" = None
    large_results: bool = False
    no_journal: str | None = None
    only_one: str | None = None


def run_job(
    job: Job[R], options: BatchOptions, write: "Callable[[Iterator[R | Failure]], Counts]"
) -> ExitCode:
    """Run the batch and `write` its outcomes.

    Raises:
        UsageError: options that contradict each other, or --resume without a journal.
        AudiocnnError: what ends the batch.
    """
    from audiocnn_cli.batch.interrupt import stop_on_interrupt
    from audiocnn_cli.batch.order import largest_first
    from audiocnn_cli.batch.run import run_batch
    from audiocnn_cli.output.terminal.progress import Progress, on_terminal

    options.check()
    with ExitStack() as stack:
        record = _record(job, options, stack)
        # Before the ledger is begun anew: it may be the one that is read.
        inputs = options.inputs(job.find)
        if job.only_one is not None:
            inputs = single(inputs, job.only_one)
        elif not job.in_order:
            inputs = largest_first(inputs)
        ledger = _ledger(options)
        progress = Progress(
            job.audio_s,
            inputs=options.inputs(job.find) if _listed_twice(options) else (),
            on_terminal=on_terminal(streams_results=not job.in_order),
        )
        stop = stack.enter_context(stop_on_interrupt())
        listeners: list[Observer[R]] = [progress]
        if ledger is not None:
            listeners.append(stack.enter_context(ledger))
        outcomes = run_batch(
            inputs,
            job.task,
            workers=options.workers(isolated=not job.large_results),
            in_order=job.in_order,
            journal=record,
            listeners=listeners,
            stop=stop,
        )
        stack.enter_context(closing(outcomes))
        try:
            tally = write(outcomes)
        finally:
            progress.close(interrupted=stop.asked)
    return ExitCode.INTERRUPTED if stop.asked else tally.exit_code


def _record(job: Job[R], options: BatchOptions, stack: ExitStack) -> "Record[R] | None":
    """The journal, or what writes a data set together with it, open until `stack` ends."""
    if job.dataset is not None and not (options.resume or options.force):
        from audiocnn_cli.datasets.journal import require_no_parts

        require_no_parts(job.dataset, options.part)
    journal = _journal(job, options)
    if journal is None:
        return None
    stack.enter_context(journal)
    _tidy(journal)
    stack.callback(_tidy, journal)
    if job.dataset is None:
        return journal
    from audiocnn_cli.datasets.journal import DatasetJournal

    part, resume, force = options.part, options.resume, options.force
    dataset = DatasetJournal(journal, job.dataset, shard=part, resume=resume, force=force)
    return stack.enter_context(dataset)


def _journal(job: Job[R], options: BatchOptions) -> "Journal[R] | None":
    path = options.journal or _journal_in_folder(job, options.part)
    if path is None:
        if options.resume or options.checksum:
            raise UsageError(
                "--resume and --checksum need a journal: add --journal FILE; -o FOLDER/ has one too"
            )
        if job.dataset is None:
            return None
        path = Path(":memory:")  # of SQLite: for this run alone
    if job.no_journal is not None:
        raise UsageError(job.no_journal)
    from audiocnn_cli.batch.configuration import configuration
    from audiocnn_cli.batch.journal.journal import Journal
    from audiocnn_cli.files import make_folder

    make_folder(path.parent)
    journal = Journal(
        path,
        job.codec,
        configuration={
            "command": job.command,
            "audiocnn": __version__,
            **configuration(job.recipe),
            **job.options,
        },
        shard=str(options.part),
        resume=options.resume,
        by_content=options.checksum,
        output_of=job.files.file_of if job.files and job.files.path else None,
        force=options.force,
    )
    changes = ", ".join(f"{key} ({old} -> {new})" for key, (old, new) in journal.changed.items())
    if options.resume and changes:
        log.warning("%s: done again, for other options: %s", path, changes)
    elif options.retry_failures is not None and changes:
        log.warning("%s: what is there was done with other options: %s", path, changes)
    return journal


def _journal_in_folder(job: Job[R], part: "Shard") -> Path | None:
    from audiocnn_cli.batch.journal.shard import journal_name
    from audiocnn_cli.datasets.storage import is_url

    if job.files is not None and job.files.path is not None:
        return job.files.path / journal_name(part)
    if job.dataset is not None and not is_url(job.dataset.location):
        return Path(job.dataset.location) / journal_name(part)
    return None


def _tidy(journal: "Journal[R]") -> None:
    from audiocnn_cli.files import remove_unfinished

    remove_unfinished(journal.aborted())


def _ledger(options: BatchOptions) -> "AbstractContextManager[FailureLog] | None":
    if options.failures is None:
        return None
    from audiocnn_cli.batch.failure_log import open_failure_log

    # A ledger that is read, or of the run that goes on, has served.
    again = options.resume or options.failures == options.retry_failures
    return open_failure_log(options.failures, force=options.force or again)


def _listed_twice(options: BatchOptions) -> bool:
    """Whether the inputs can be listed once more to count them: not what comes through standard input."""
    return options.retry_failures is None and not {"-", "@-"} & set(options.paths or [])


def everywhere(item: "Source | InputError") -> "Source | InputError":
    """An input by a path that means the same in the folder where a worker of a cluster was started."""
    from audiocnn_cli.audio.sources import STDIN, Source, is_remote

    if not isinstance(item, Source) or item.path == STDIN or is_remote(item.path):
        return item
    return Source(os.path.abspath(item.path), item.name)  # noqa: PTH100 (keeps links and odd names)


def output_everywhere(output: str | None, cluster: str | None) -> str | None:
    """What -o names, in the same way; a `/` at its end stays."""
    from audiocnn_cli.datasets.storage import is_url

    if output is None or cluster is None or is_url(output):
        return output
    return os.path.abspath(output) + "/" * output.endswith("/")  # noqa: PTH100 (keeps links)


def single(
    inputs: "Iterator[Source | InputError]", message: str
) -> "Iterator[Source | InputError]":
    """The one input; a second is refused with `message` before the first is worked on."""
    first = list(islice(inputs, 2))
    if len(first) > 1:
        raise UsageError(message)
    return iter(first)
