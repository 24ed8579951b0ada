"""The inputs of `audiocnn classify` through its models: a batch of files, or one stream as it arrives."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Self

from audiocnn_cli.audio.decode import AudioReader
from audiocnn_cli.audio.sources import STDIN
from audiocnn_cli.audio.streams import MICROPHONE, RawFormat, open_microphone, open_stdin
from audiocnn_cli.batch.codec import DataclassCodec
from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.batch.task import Task
from audiocnn_cli.classify import Prediction
from audiocnn_cli.classify.live import classify_live
from audiocnn_cli.classify.prediction import TimelineEntry
from audiocnn_cli.classify.work import Classification
from audiocnn_cli.commands.batch import BatchOptions, Job, run_job
from audiocnn_cli.errors import ExitCode, SignalError, UsageError
from audiocnn_cli.output.classify_view import ClassifyView
from audiocnn_cli.output.file_formats import LabelFormat
from audiocnn_cli.output.label_files import LabelOutput
from audiocnn_cli.output.live_view import write_live
from audiocnn_cli.output.result_folder import IntoFolder


@dataclass(frozen=True, slots=True)
class Stream:
    """One input that is labelled as it arrives: the microphone, or standard input."""

    raw: RawFormat | None = None
    microphone: bool = False

    @classmethod
    def of(
        cls,
        batch: BatchOptions,
        *,
        raw: str | None,
        sample_rate: int | None,
        channels: int,
        microphone: bool,
        foreign: bool,
    ) -> Self | None:
        """The stream that the options mean, if any.

        Raises:
            UsageError: options that contradict each other, or no input.
        """
        paths = batch.paths or []
        if microphone and (paths or raw):
            raise UsageError("--mic is the only input: leave out PATHS and --raw")
        if microphone:
            return cls(microphone=True)
        if raw is None:
            if channels != 1 or (sample_rate is not None and not foreign):
                raise UsageError("--sr and --raw-channels are for bare samples: add --raw FORMAT")
            return cls() if paths == [STDIN] else None
        if paths != [STDIN]:
            raise UsageError(
                "--raw is for bare samples on standard input: give '-' as the only path"
            )
        if sample_rate is None:
            raise UsageError(f"--raw {raw}: bare samples don't say their rate: add --sr")
        return cls(RawFormat(raw, sample_rate, channels))

    @property
    def path(self) -> str:
        """What results call it."""
        return MICROPHONE if self.microphone else STDIN

    def open(self) -> AbstractContextManager[AudioReader]:
        """The sound, as it arrives."""
        return open_microphone() if self.microphone else open_stdin(self.raw)


def run(
    batch: BatchOptions,
    stream: Stream | None,
    work: Classification,
    view: ClassifyView,
    destination: LabelOutput,
) -> ExitCode:
    """Classify the inputs and write what is said of them."""
    if stream is not None:
        # Several models, or smoothing, have an answer only when all is heard.
        alone = len(work.models) == 1 and not work.auto
        live = destination.live and alone and not work.options.smooth_s
        if live:
            model = work.panel().signature.name
            said = _listen(stream, work)
            tally = write_live(said, view, destination.report, path=stream.path, model=model)
            return tally.exit_code
        if stream.raw or stream.microphone:
            whole = (said for said in _listen(stream, work) if not isinstance(said, TimelineEntry))
            return destination.write(whole, view).exit_code
    folder, dataset = destination.folder, destination.dataset_of(view)
    format = folder.format if folder else LabelFormat.PARQUET if dataset else None
    task: Task[Prediction] = work
    job = Job(
        command="classify",
        task=IntoFolder(task, partial(folder.write, view=view)) if folder else task,
        recipe=work,
        options={**asdict(view), "format": format, **(dataset.layout if dataset else {})},
        codec=DataclassCodec(Prediction),
        audio_s=lambda prediction: prediction.duration_s,
        in_order=destination.in_order,
        files=folder.files if folder else None,
        dataset=dataset,
        only_one=destination.only_one,
    )
    return run_job(job, batch, lambda outcomes: destination.write(outcomes, view))


def _listen(stream: Stream, work: Classification) -> Iterator[TimelineEntry | Prediction | Failure]:
    try:
        with stream.open() as reader:
            panel, by_hand = work.panel(), stream.microphone
            yield from classify_live(reader, panel, work.options, ends_by_hand=by_hand)
    except SignalError as error:
        yield Failure(stream.path, error.kind, error.message)
