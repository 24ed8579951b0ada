"""The batch of a command: its options, journal, failure log, signals and exit code."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from audiocnn_cli import __version__
from audiocnn_cli.audio.sources import Source, find_audio
from audiocnn_cli.batch.inputs import Inputs, Shard, largest_first, with_absolute_path
from audiocnn_cli.batch.outcome import Counts, Failure, FailureLog, Observer, failed_inputs
from audiocnn_cli.batch.run import Workers, run_batch, stop_on_signals
from audiocnn_cli.batch.task import Codec, Task
from audiocnn_cli.errors import ExitCode, InputError, UsageError
from audiocnn_cli.files import make_folder, remove_unfinished

if TYPE_CHECKING:
    from audiocnn_cli.batch.journal import Journal

R = TypeVar("R")

_IN_MEMORY = Path(":memory:")  # of SQLite
# The poll of the system takes its time limit in milliseconds, as 32 bits.
_LONGEST_S = 1e6
_MOST_JOBS = 1024
_log = logging.getLogger("audiocnn")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOptions:
    """The options of all commands over many inputs."""

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
                "`retry_failures` takes its inputs from that file: give no PATHS and no `resume` with it"
            )
        if self.cluster is not None and self.jobs is not None:
            raise UsageError("`cluster` uses the workers of its scheduler: leave out `jobs`")
        if self.jobs is not None and not 1 <= self.jobs <= _MOST_JOBS:
            raise UsageError(f"`jobs` must be 1 to {_MOST_JOBS}, not {self.jobs}")
        if self.timeout is not None and not 0 < self.timeout <= _LONGEST_S:
            limits = f"must be above 0 and at most {_LONGEST_S:,.0f} s"
            raise UsageError(f"`timeout` {limits}, not {self.timeout:g}; leave it out for no limit")
        if self.retry_failures is None and not self.paths:
            raise UsageError("name the inputs: files, folders, glob patterns, '-' or @list.txt")

    @property
    def any_given(self) -> bool:
        """Whether an option is given that is for many inputs."""
        given = (self.journal, self.failures, self.retry_failures, self.shard, self.timeout, self.cluster)
        return self.resume or self.checksum or any(each is not None for each in given)

    def inputs(self, find: Callable[[], Inputs] | None = None) -> Iterator[Source | InputError]:
        """The inputs that PATHS name, or that `find` finds, read lazily; each call starts anew."""
        found: Inputs
        if self.retry_failures is not None:
            found = failed_inputs(self.retry_failures)
        else:
            found = find_audio(self.paths or []) if find is None else find()
        if self.cluster is not None:
            found = map(with_absolute_path, found)
        return iter(found) if self.shard is None else self.part.of(found)

    @property
    def part(self) -> Shard:
        """The part of the inputs that the run covers."""
        return Shard() if self.shard is None else Shard.parse(self.shard)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(Generic[R]):
    """The task of a command, and how its batch is run.

    `recipe`, a dataclass, and `options` are everything that decides a result. With `in_order` outcomes are in
    the order of the inputs, else the largest inputs are begun first. `find` finds the inputs, where PATHS do
    not name them. `large_results` are slow to send, so a single input is worked on in this process.
    `no_journal` and `only_one` are the reasons why there can be no journal, and only one input. Without
    `resumable` there is a journal of the files in a folder, but it does not hold all that is written.
    """

    command: str
    task: Task[R]
    recipe: object
    options: Mapping[str, str | int | bool | None]
    codec: Codec[R]
    in_order: bool
    find: Callable[[], Inputs] | None = None
    large_results: bool = False
    no_journal: str | None = None
    resumable: bool = True
    only_one: str | None = None


def run_job(
    job: Job[R],
    options: BatchOptions,
    write: Callable[[Iterator[R | Failure]], Counts],
    *,
    observers: Sequence[Observer[R]] = (),
    folder: Path | None = None,
    output_of: Callable[[Source], Path] | None = None,
    open_journal: "Callable[..., Journal[R]] | None" = None,
) -> ExitCode:
    """Run the batch and pass its outcomes to `write`.

    Args:
        job: the task, and how it is run.
        options: what the user gave.
        write: writes all outcomes and counts them.
        observers: notified of each input, and closed at the end.
        folder: the local folder with results, and with the journal unless the options name another file.
        output_of: the file in it with the result of an input, where each has one.
        open_journal: opens a journal that also writes results, as `Journal`.

    Raises:
        UsageError: options that contradict each other, or `resume` without a journal.
        AudiocnnError: an error that ends the batch.
    """
    options.check()
    with ExitStack() as stack:
        journal = _journal(job, options, folder, output_of, open_journal)
        if journal is not None:
            stack.enter_context(journal)
            remove_unfinished(journal.aborted_outputs())
            stack.callback(lambda: remove_unfinished(journal.aborted_outputs()))
        # Read before the failure log is emptied: it may be the same file.
        inputs = options.inputs(job.find)
        if job.only_one is not None:
            inputs = _single(inputs, job.only_one)
        elif not job.in_order:
            inputs = largest_first(inputs)
        if options.failures is not None:
            # A log that is read, or that this run continues, may be replaced.
            again = options.resume or options.failures == options.retry_failures
            log = FailureLog(options.failures, force=options.force or again)
            observers = [*observers, log]
        stop = stack.enter_context(stop_on_signals())
        workers = Workers(
            jobs=options.jobs,
            timeout_s=options.timeout,
            cluster=options.cluster,
            isolated=not job.large_results,
        )
        outcomes = run_batch(
            inputs,
            job.task,
            workers=workers,
            in_order=job.in_order,
            journal=journal,
            observers=observers,
            stop=stop,
        )
        stack.enter_context(closing(outcomes))
        try:
            counts = write(outcomes)
        finally:
            for observer in observers:
                observer.close(interrupted=stop.requested)
    return ExitCode.INTERRUPTED if stop.requested else counts.exit_code


def _journal(
    job: Job[R],
    options: BatchOptions,
    folder: Path | None,
    output_of: Callable[[Source], Path] | None,
    open_journal: "Callable[..., Journal[R]] | None",
) -> "Journal[R] | None":
    # SQLite is not imported for a run without a journal.
    path = options.journal or (folder and folder / options.part.journal_name)
    if path is None:
        if options.resume or options.checksum:
            raise UsageError(
                "`resume` and `checksum` need a journal: give `journal` FILE, or a local folder as `output`"
            )
        if open_journal is None:
            return None
        path = _IN_MEMORY
    from audiocnn_cli.batch.journal import Journal

    if job.no_journal is not None:
        raise UsageError(job.no_journal)
    make_folder(path.parent)
    journal = (open_journal or Journal)(
        path,
        job.codec,
        configuration={
            "command": job.command,
            "audiocnn": __version__,
            **configuration(job.recipe),
            **job.options,
        },
        shard=options.part,
        resume=options.resume,
        by_content=options.checksum,
        output_of=output_of,
        resumable=job.resumable,
        force=options.force,
    )
    changes = ", ".join(f"{key} ({old} -> {new})" for key, (old, new) in journal.changed.items())
    if options.resume and changes:
        _log.warning("%s: all is done again, for other options: %s", path, changes)
    elif options.retry_failures is not None and changes:
        _log.warning("%s: the results in it were made with other options: %s", path, changes)
    return journal


def _single(inputs: Iterator[Source | InputError], message: str) -> Iterator[Source | InputError]:
    """The one input; a second one is refused with `message` before work on the first begins."""
    first = list(islice(inputs, 2))
    if len(first) > 1:
        raise UsageError(message)
    return iter(first)


def configuration(recipe: object) -> dict[str, str | int | float | bool | None]:
    """The fields of a dataclass and of those in it, by dotted names; a file counts by its content."""
    return dict(_flat("", recipe))


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    prefix = f"{name}." if name else ""
    if is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from _flat(prefix + field.name, getattr(value, field.name))
    elif isinstance(value, tuple | list):
        for index, item in enumerate(value):
            yield from _flat(f"{prefix}{index}", item)
    elif isinstance(value, Path) and value.is_file():
        import hashlib

        with value.open("rb") as stream:
            yield name, f"{value.name} ({hashlib.file_digest(stream, 'sha256').hexdigest()[:16]})"
    elif isinstance(value, Enum):
        yield name, value.value
    else:
        yield name, value if isinstance(value, str | int | float | None) else str(value)
