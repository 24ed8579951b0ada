"""What every command over many inputs does around its task: journal, ledger, progress, Ctrl-C, exit code."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from audiocnn_cli import __version__
from audiocnn_cli.errors import ExitCode, UsageError
from audiocnn_cli.output.console import log

if TYPE_CHECKING:
    from audiocnn_cli.audio.sources import Source
    from audiocnn_cli.batch.executor import Workers
    from audiocnn_cli.batch.journal import Codec, Journal
    from audiocnn_cli.batch.outcome import Failure, Listener, Tally
    from audiocnn_cli.batch.task import Task
    from audiocnn_cli.errors import InputError
    from audiocnn_cli.output.ledger import Ledger
    from audiocnn_cli.output.result_folder import ResultFolder

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
    force: bool

    def __post_init__(self) -> None:
        if self.retry_failures is not None and (self.paths or self.resume):
            raise UsageError(
                "--retry-failures takes its inputs from the ledger: give no PATHS and no --resume with it"
            )
        if self.retry_failures is None and not self.paths:
            raise UsageError("name the inputs: files, folders, glob patterns, '-' or @list.txt")

    @property
    def asked(self) -> bool:
        """Whether anything is asked for that is for many inputs."""
        files = (self.journal, self.failures, self.retry_failures, self.shard, self.timeout)
        return self.resume or self.checksum or any(each is not None for each in files)

    def inputs(self) -> "Iterator[Source | InputError]":
        """The inputs, read lazily, from the beginning each time."""
        from audiocnn_cli.audio.sources import find_audio
        from audiocnn_cli.batch.shard import Shard
        from audiocnn_cli.output.ledger import failed_inputs

        found: Iterable[Source | InputError]
        if self.retry_failures is not None:
            found = failed_inputs(self.retry_failures)
        else:
            found = find_audio(self.paths or [])
        return iter(found) if self.shard is None else Shard.parse(self.shard).of(found)

    @property
    def workers(self) -> "Workers":
        """Who does the work."""
        from audiocnn_cli.batch.executor import Workers

        return Workers(jobs=self.jobs, timeout_s=self.timeout)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(Generic[R]):
    """The task of a command, and what the batch has to know of its results.

    `configuration` is everything that decides a result, as values that JSON knows; `audio_s` the seconds of
    audio that a result is about; `files` is where results have files of their own; `no_journal` is why
    there can be no journal, `only_one` why there may be one input only.
    """

    command: str
    task: "Task[R]"
    configuration: Mapping[str, Any]
    codec: "Codec[R]"
    audio_s: Callable[[R], float]
    in_order: bool
    files: "ResultFolder | None" = None
    no_journal: str | None = None
    only_one: str | None = None


def run_job(
    job: Job[R], options: BatchOptions, write: "Callable[[Iterator[R | Failure]], Tally]"
) -> ExitCode:
    """Run the batch and `write` its outcomes.

    Raises:
        UsageError: options that contradict each other, or --resume without a journal.
        AudiocnnError: what ends the batch.
    """
    from audiocnn_cli.batch.interrupt import stop_on_interrupt
    from audiocnn_cli.batch.run import run_batch
    from audiocnn_cli.output.progress import Progress, on_terminal

    with ExitStack() as stack:
        journal = _journal(job, options)
        if journal is not None:
            stack.enter_context(journal)
            _tidy(journal)
            stack.callback(_tidy, journal)
        # Before the ledger is begun anew: it may be the one that is read.
        inputs = options.inputs()
        if job.only_one is not None:
            inputs = single(inputs, job.only_one)
        ledger = _ledger(options)
        progress = Progress(
            job.audio_s,
            inputs=options.inputs() if _listed_twice(options) else (),
            on_terminal=on_terminal(streams_results=not job.in_order),
        )
        stop = stack.enter_context(stop_on_interrupt())
        listeners: list[Listener[R]] = [progress]
        if ledger is not None:
            listeners.append(stack.enter_context(ledger))
        outcomes = run_batch(
            inputs,
            job.task,
            workers=options.workers,
            in_order=job.in_order,
            journal=journal,
            listeners=listeners,
            stop=stop,
        )
        try:
            tally = write(outcomes)
        finally:
            progress.close(interrupted=stop.asked)
    return ExitCode.INTERRUPTED if stop.asked else tally.exit_code


def _journal(job: Job[R], options: BatchOptions) -> "Journal[R] | None":
    from audiocnn_cli.batch.shard import Shard, journal_name

    shard = Shard.parse(options.shard) if options.shard is not None else Shard()
    path = options.journal or (job.files.path / journal_name(shard) if job.files else None)
    if path is None:
        if options.resume or options.checksum:
            raise UsageError(
                "--resume and --checksum need a journal: add -o FOLDER/ or --journal FILE"
            )
        return None
    if job.no_journal is not None:
        raise UsageError(job.no_journal)
    from audiocnn_cli.batch.journal import Journal
    from audiocnn_cli.output.files import make_folder

    make_folder(path.parent)
    journal = Journal(
        path,
        job.codec,
        configuration={"command": job.command, "audiocnn": __version__, **job.configuration},
        shard=str(shard),
        resume=options.resume,
        by_content=options.checksum,
        output_of=job.files.file_of if job.files else None,
        force=options.force,
    )
    if options.resume and journal.changed:
        changes = (f"{key} ({old} -> {new})" for key, (old, new) in journal.changed.items())
        log.warning("%s: done again, for other options: %s", path, ", ".join(changes))
    return journal


def _tidy(journal: "Journal[R]") -> None:
    from audiocnn_cli.output.files import remove_unfinished

    remove_unfinished(journal.broken_off())


def _ledger(options: BatchOptions) -> "AbstractContextManager[Ledger] | None":
    from audiocnn_cli.output.ledger import open_ledger

    if options.failures is None:
        return None
    # A ledger that is read, or of the run that goes on, has served.
    again = options.resume or options.failures == options.retry_failures
    return open_ledger(options.failures, force=options.force or again)


def _listed_twice(options: BatchOptions) -> bool:
    """Whether the inputs can be listed once more to count them: not what comes through standard input."""
    return options.retry_failures is None and not {"-", "@-"} & set(options.paths or [])


def single(
    inputs: "Iterator[Source | InputError]", message: str
) -> "Iterator[Source | InputError]":
    """The one input; a second is refused with `message` before the first is worked on."""
    first = list(islice(inputs, 2))
    if len(first) > 1:
        raise UsageError(message)
    return iter(first)
