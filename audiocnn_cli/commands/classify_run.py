"""Runs of `audiocnn classify`: a batch of files, or one stream as it arrives."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from audiocnn_cli.audio.sources import STDIN
from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.batch.task import DataclassCodec, Task
from audiocnn_cli.classify import Prediction
from audiocnn_cli.classify.live import LiveSegment, classify_live
from audiocnn_cli.classify.work import Classification
from audiocnn_cli.commands.batch import BatchOptions, Job, run_job
from audiocnn_cli.commands.classify_options import InputOptions
from audiocnn_cli.errors import ExitCode, SignalError, UsageError
from audiocnn_cli.output.labels.destination import LabelOutput
from audiocnn_cli.output.views.classify import ClassifyView, write_live

if TYPE_CHECKING:
    from audiocnn_cli.audio.decode import AudioReader
    from audiocnn_cli.audio.raw import RawFormat


@dataclass(frozen=True, slots=True)
class Stream:
    """One input that is labelled as it arrives: the microphone, or standard input."""

    raw: "RawFormat | None" = None
    microphone: bool = False

    @property
    def path(self) -> str:
        """Its path in results."""
        return "microphone" if self.microphone else STDIN

    @property
    def is_exclusive(self) -> bool:
        """Whether it can't be an input of a batch: raw samples have no header, a microphone no end."""
        return self.microphone or self.raw is not None

    def open(self) -> "AbstractContextManager[AudioReader]":
        """Open it."""
        from audiocnn_cli.audio.streams import open_microphone, open_stdin

        return open_microphone() if self.microphone else open_stdin(self.raw)


def stream_of(paths: list[str], given: InputOptions) -> Stream | None:
    """The stream that the options name; None for files.

    Raises:
        UsageError: options that contradict each other.
    """
    if given.microphone:
        if paths or given.raw:
            raise UsageError("--mic is the only input: leave out PATHS and --raw")
        return Stream(microphone=True)
    if given.raw is None:
        if given.raw_channels != 1 or given.sample_rate is not None:
            raise UsageError("--sr and --raw-channels are for raw samples: add --raw FORMAT")
        return Stream() if paths == [STDIN] else None
    if paths != [STDIN]:
        raise UsageError("--raw is for raw samples on standard input: give '-' as the only path")
    if given.sample_rate is None:
        raise UsageError(f"--raw {given.raw}: raw samples have no header: add --sr")
    from audiocnn_cli.audio.raw import RawFormat

    return Stream(RawFormat(given.raw, given.sample_rate, given.raw_channels))


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of the command: the task, its inputs, how results look, and where they are written."""

    task: Classification
    view: ClassifyView
    destination: LabelOutput
    batch: BatchOptions

    def files(self) -> ExitCode:
        """Classify a batch of files.

        Raises:
            UsageError: options that contradict each other.
        """
        return run_job(self._job(), self.batch, lambda outcomes: self.destination.write(outcomes, self.view))

    def stream(self, stream: Stream) -> ExitCode:
        """Classify a stream: a line a segment where the format allows it, else the whole.

        Raises:
            UsageError: options that are for files.
        """
        if stream.is_exclusive and self.batch.any_given:
            raise UsageError("--raw and --mic are one stream: leave out the options of many files")
        task, batch = self.task, self.batch
        # Several models, and smoothing, give scores only at the end of the stream.
        immediate = (task.auto or len(task.models) == 1) and not task.options.smooth_s
        if self.destination.live and immediate and not batch.any_given:
            results = _classified(stream, task)
            return write_live(results, self.view, self.destination.report, path=stream.path).exit_code
        if not stream.is_exclusive:
            return self.files()
        whole = (each for each in _classified(stream, task) if not isinstance(each, LiveSegment))
        return self.destination.write(whole, self.view).exit_code

    def _job(self) -> Job[Prediction]:
        task: Task[Prediction] = self.task
        files = dataset = None
        options: dict[str, str | bool | None] = asdict(self.view)
        if self.destination.dataset is not None:
            location, parts = self.destination.dataset
            dataset = parts.dataset(location, self.view.records)
            options |= dataset.layout
        if self.destination.folder is not None:
            from audiocnn_cli.datasets.result_folder import IntoFolder
            from audiocnn_cli.output.labels.formats import LabelFiles

            files, format = self.destination.folder
            task = IntoFolder(self.task, files, LabelFiles(format, self.view).write)
        return Job(
            command="classify",
            task=task,
            recipe=self.task,
            options={**options, "format": files.suffix if files else None},
            codec=DataclassCodec(Prediction),
            audio_s=lambda prediction: prediction.duration_s,
            in_order=self.destination.in_order,
            files=files,
            dataset=dataset,
            only_one=self.destination.only_one,
        )


def _classified(stream: Stream, task: Classification) -> Iterator[LiveSegment | Prediction | Failure]:
    try:
        with stream.open() as reader:
            yield from classify_live(reader, task.opened(), task.options, ends_by_hand=stream.microphone)
    except SignalError as error:
        yield Failure(stream.path, error.kind, error.message)
