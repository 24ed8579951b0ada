"""The inputs of `audiocnn classify` through its models: a batch of files, or one stream as it arrives."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Self

from audiocnn_cli.audio.decode import AudioReader
from audiocnn_cli.audio.raw import RawFormat
from audiocnn_cli.audio.sources import STDIN
from audiocnn_cli.audio.streams import MICROPHONE, open_microphone, open_stdin
from audiocnn_cli.batch.codec import DataclassCodec
from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.batch.task import Task
from audiocnn_cli.classify import Prediction
from audiocnn_cli.classify.live import classify_live
from audiocnn_cli.classify.prediction import TimelineEntry
from audiocnn_cli.classify.work import Classification
from audiocnn_cli.commands.batch import BatchOptions, Job, run_job
from audiocnn_cli.commands.classify.inspect import InspectOptions
from audiocnn_cli.datasets.prediction_rows import PredictionRows
from audiocnn_cli.datasets.result_folder import IntoFolder
from audiocnn_cli.errors import ExitCode, SignalError, UsageError
from audiocnn_cli.output.labels.destination import LabelFiles, LabelOutput
from audiocnn_cli.output.views.classify import ClassifyView
from audiocnn_cli.output.views.live import write_live


@dataclass(frozen=True, slots=True)
class Stream:
    """One input that is labelled as it arrives: the microphone, or standard input."""

    raw: RawFormat | None = None
    microphone: bool = False

    @classmethod
    def of(
        cls,
        paths: list[str],
        *,
        raw: str | None,
        sample_rate: int | None,
        channels: int,
        microphone: bool,
    ) -> Self | None:
        """The stream that the options mean, if any.

        Raises:
            UsageError: options that contradict each other.
        """
        if microphone and (paths or raw):
            raise UsageError("--mic is the only input: leave out PATHS and --raw")
        if microphone:
            return cls(microphone=True)
        if raw is None:
            if channels != 1 or sample_rate is not None:
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
    work: Classification,
    view: ClassifyView,
    destination: LabelOutput,
    *,
    inspect: InspectOptions,
    stream: Stream | None,
    batch: BatchOptions,
) -> ExitCode:
    """Classify the inputs and write what is said of them.

    Raises:
        UsageError: options that contradict each other.
    """
    inspect.check(destination, streamed=stream is not None, provider=work.provider)
    if stream is not None:
        whole = stream.raw is not None or stream.microphone
        if whole and batch.asked:
            raise UsageError("--raw and --mic are one stream: leave out what is for many files")
        # Several models, or smoothing, have an answer only when all is heard.
        alone = len(work.models) == 1 and not work.auto and not work.options.smooth_s
        if destination.live and alone and not batch.asked:
            model = work.ensemble().signature.name
            said = _listen(stream, work)
            return write_live(
                said, view, destination.report, path=stream.path, model=model
            ).exit_code
        if whole:
            said = _listen(stream, work)
            return destination.write(
                (each for each in said if not isinstance(each, TimelineEntry)), view
            ).exit_code
    if inspect.wanted:
        return inspect.run(work, view, destination, batch)
    return run_job(
        _job(work, view, destination), batch, lambda found: destination.write(found, view)
    )


def _job(work: Classification, view: ClassifyView, destination: LabelOutput) -> Job[Prediction]:
    task: Task[Prediction] = work
    files = dataset = None
    options: dict[str, str | bool | None] = asdict(view)
    if destination.dataset is not None:
        location, parts = destination.dataset
        dataset = parts.dataset(location, PredictionRows(view.records))
        options |= dataset.layout
    if destination.folder is not None:
        files, format = destination.folder
        task = IntoFolder(work, files, LabelFiles(format, view))
    return Job(
        command="classify",
        task=task,
        recipe=work,
        options={**options, "format": files.suffix if files else None},
        codec=DataclassCodec(Prediction),
        audio_s=lambda prediction: prediction.duration_s,
        in_order=destination.in_order,
        files=files,
        dataset=dataset,
        only_one=destination.only_one,
    )


def _listen(stream: Stream, work: Classification) -> Iterator[TimelineEntry | Prediction | Failure]:
    try:
        with stream.open() as reader:
            ensemble, by_hand = work.ensemble(), stream.microphone
            yield from classify_live(reader, ensemble, work.options, ends_by_hand=by_hand)
    except SignalError as error:
        yield Failure(stream.path, error.kind, error.message)
