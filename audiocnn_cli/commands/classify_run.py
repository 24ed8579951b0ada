"""The inputs of `audiocnn classify` through its models: a batch of files, or one stream as it arrives."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import chain, islice
from typing import Self

from audiocnn_cli.audio.decode import AudioReader
from audiocnn_cli.audio.sources import STDIN, Source, find_audio
from audiocnn_cli.audio.streams import MICROPHONE, RawFormat, open_microphone, open_stdin
from audiocnn_cli.batch.executor import Workers
from audiocnn_cli.batch.outcome import Failure, Tally
from audiocnn_cli.batch.run import run_batch
from audiocnn_cli.classify import Prediction
from audiocnn_cli.classify.live import classify_live
from audiocnn_cli.classify.prediction import TimelineEntry
from audiocnn_cli.classify.work import Classification
from audiocnn_cli.commands.classify_look import Looking
from audiocnn_cli.errors import InputError, SignalError, UsageError
from audiocnn_cli.output.classify_view import ClassifyView
from audiocnn_cli.output.label_files import LabelOutput
from audiocnn_cli.output.live_view import write_live


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
        foreign: bool,
    ) -> Self | None:
        """The stream that the options mean, if any.

        Raises:
            UsageError: options that contradict each other, or no input.
        """
        if microphone and (paths or raw):
            raise UsageError("--mic is the only input: leave out PATHS and --raw")
        if microphone:
            return cls(microphone=True)
        if not paths:
            raise UsageError(
                "name the inputs: files, folders, glob patterns, '-' or @list.txt, or --mic"
            )
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
    paths: list[str],
    stream: Stream | None,
    work: Classification,
    view: ClassifyView,
    destination: LabelOutput,
    *,
    looking: Looking,
    jobs: int | None,
) -> Tally:
    """Classify the inputs and write what is said of them."""
    looking.check(destination, streamed=stream is not None)
    if stream is not None:
        # Several models, or smoothing, have an answer only when all is heard.
        alone = len(work.models) == 1 and not work.auto
        live = destination.live and alone and not work.options.smooth_s
        if live:
            model = work.panel().signature.name
            said = _listen(stream, work)
            return write_live(said, view, destination.report, path=stream.path, model=model)
        if stream.raw or stream.microphone:
            whole = (said for said in _listen(stream, work) if not isinstance(said, TimelineEntry))
            return destination.write(whole, view)
    inputs = destination.claimed(find_audio(paths))
    if destination.of_one_recording:
        inputs = _only_one(inputs, destination.of_one_recording)
    if looking.wanted:
        return looking.run(inputs, work, view, destination, jobs=jobs)
    outcomes = run_batch(inputs, work, workers=Workers(jobs=jobs), in_order=destination.in_order)
    return destination.write(outcomes, view)


def _listen(stream: Stream, work: Classification) -> Iterator[TimelineEntry | Prediction | Failure]:
    try:
        with stream.open() as reader:
            panel, by_hand = work.panel(), stream.microphone
            yield from classify_live(reader, panel, work.options, ends_by_hand=by_hand)
    except SignalError as error:
        yield Failure(stream.path, error.kind, error.message)


def _only_one(inputs: Iterable[Source | InputError], format: str) -> Iterator[Source | InputError]:
    """Refuse a second input before the first is worked on."""
    inputs = iter(inputs)
    first = list(islice(inputs, 2))
    if len(first) > 1:
        raise UsageError(
            f"--format {format} holds the labels of one recording: for several add -o FOLDER/"
        )
    return chain(first, inputs)
