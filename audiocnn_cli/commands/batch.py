"""What every command over many inputs does around its task: journal, ledger, progress, Ctrl-C, exit code."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from audiocnn_cli import __version__
from audiocnn_cli.errors import ExitCode, UsageError
from audiocnn_cli.output.console import log

if TYPE_CHECKING:
    from audiocnn_cli.audio.sources import Source
    from audiocnn_cli.batch.executor import Workers
    from audiocnn_cli.batch.journal import Journal
    from audiocnn_cli.batch.journal_file import Codec
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

    def check(self) -> None:
        """Refuse options that contradict each other.

        Raises:
            UsageError: they do, or there is no input.
        """
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

        found: Iterable[Source | InputError] = find_audio(self.paths or [])
        if self.retry_failures is not None:
            from audiocnn_cli.output.ledger import failed_inputs

            found = failed_inputs(self.retry_failures)
        if self.shard is not None:
            from audiocnn_cli.batch.shard import Shard

            found = Shard.parse(self.shard).of(found)
        return iter(found)

    @property
    def workers(self) -> "Workers":
        """Who does the work."""
        from audiocnn_cli.batch.executor import Workers

        return Workers(jobs=self.jobs, timeout_s=self.timeout)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(Generic[R]):
    """The task of a command, and what the batch has to know of its results.

    `recipe`, a dataclass, and `options` are everything that decides a result; `audio_s` gives the seconds of
    audio that a result is about; `files` is where results have files of their own; `no_journal` is why
    there can be no journal, `only_one` why there may be one input only.
    """

    command: str
    task: "Task[R]"
    recipe: object
    options: Mapping[str, str | int | bool | None]
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
    from audiocnn_cli.batch.order import largest_first
    from audiocnn_cli.batch.run import run_batch
    from audiocnn_cli.output.progress import Progress, on_terminal

    options.check()
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
        elif not job.in_order:
            inputs = largest_first(inputs)
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
        stack.enter_context(closing(outcomes))
        try:
            tally = write(outcomes)
        finally:
            progress.close(interrupted=stop.asked)
    return ExitCode.INTERRUPTED if stop.asked else tally.exit_code


def _journal(job: Job[R], options: BatchOptions) -> "Journal[R] | None":
    if options.journal is None and job.files is None:
        if options.resume or options.checksum:
            raise UsageError(
                "--resume and --checksum need a journal: add -o FOLDER/ or --journal FILE"
            )
        return None
    if job.no_journal is not None:
        raise UsageError(job.no_journal)
    from audiocnn_cli.batch.configuration import configuration
    from audiocnn_cli.batch.journal import Journal
    from audiocnn_cli.batch.shard import Shard, journal_name
    from audiocnn_cli.output.files import make_folder

    shard = Shard() if options.shard is None else Shard.parse(options.shard)
    path = options.journal or (job.files.path if job.files else Path()) / journal_name(shard)
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
    if options.failures is None:
        return None
    from audiocnn_cli.output.ledger import open_ledger

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
