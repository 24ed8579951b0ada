"""Labels in the formats of other tools: Audacity, Raven, Praat and ELAN, video players.

Each has the events, and between them `jazz?` for a doubt or the reason in parentheses (`views.stretches`).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from audiocnn_cli.classify import Prediction
from audiocnn_cli.files import atomic_writer
from audiocnn_cli.output.destination import TEXT, Destination
from audiocnn_cli.output.formats import Format
from audiocnn_cli.output.results import parquet_file, write_result
from audiocnn_cli.output.terminal.console import display
from audiocnn_cli.output.views.classify import ClassifyView
from audiocnn_cli.output.views.stretches import Stretch, stretches

Track = Callable[[Prediction], str]


def audacity(result: Prediction) -> str:
    """Audacity's label track (File > Import > Labels): start, end in seconds and label, separated by tabs."""
    return "".join(f"{each.start_s:.6f}\t{each.end_s:.6f}\t{each.text}\n" for each in stretches(result))


def webvtt(result: Prediction) -> str:
    """WebVTT (W3C): a cue for each stretch, times to the millisecond."""
    from html import escape  # 3 ms

    text = "WEBVTT\n"
    for each in stretches(result):
        probability = "" if each.probability is None else f" ({each.probability:.2f})"
        label = escape(each.text, quote=False)
        text += f"\n{_clock(each.start_s)} --> {_clock(each.end_s)}\n{label}{probability}\n"
    return text


def _clock(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


def textgrid(result: Prediction) -> str:
    """Praat's long TextGrid, also for ELAN: one tier, or one for each label where events overlap.

    What has no label is in the tier named after the model.
    """
    from praatio import textgrid as praat
    from praatio.utilities.constants import Interval

    tiers: dict[str, list[Stretch]] = {}
    several = any(a.end_s > b.start_s for a, b in pairwise(result.events))
    for each in stretches(result):
        tiers.setdefault(each.text if several and each.labelled else display(result.model), []).append(each)
    grid = praat.Textgrid(0, result.recording_s)
    for name, parts in (tiers or {display(result.model): []}).items():
        entries = [Interval(each.start_s, min(each.end_s, result.recording_s), each.text) for each in parts]
        grid.addTier(praat.IntervalTier(name, entries, 0, result.recording_s))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "labels.TextGrid"
        grid.save(str(path), format="long_textgrid", includeBlankSpaces=True)
        return path.read_text(encoding="utf-8")


# Formats that hold one recording a file; a Raven table holds several.
TRACKS: dict[Format, Track] = {Format.AUDACITY: audacity, Format.TEXTGRID: textgrid, Format.WEBVTT: webvtt}


class RavenTable:
    """The lines of a Raven selection table of several recordings.

    Begin and end times continue over the recordings, as in Raven when they are opened together;
    `File Offset (s)` starts at 0 in each.
    """

    header = (
        "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tBegin File"
        "\tFile Offset (s)\tAnnotation\tScore\n"
    )

    def __init__(self) -> None:
        self._selections = 0
        self._before_s = 0.0

    def lines(self, result: Prediction) -> str:
        """A selection for each stretch of the next recording; one that has only a reason has no score."""
        lines = ""
        for each in stretches(result):
            self._selections += 1
            cells = (
                str(self._selections),
                "Spectrogram 1",
                "1",
                f"{self._before_s + each.start_s:.6f}",
                f"{self._before_s + each.end_s:.6f}",
                "0",
                f"{result.highest_hz:g}",
                display(Path(result.path).name),
                f"{each.start_s:.6f}",
                each.text,
                "" if each.probability is None else f"{each.probability:.4f}",
            )
            lines += "\t".join(cells) + "\n"
        self._before_s += result.recording_s
        return lines


def text_writer(stream: IO[str], format: Format) -> Callable[[Prediction], None]:
    """A function that writes the labels of one recording after another: a track, or a Raven table."""
    track = TRACKS.get(format)
    if track is None:
        table = RavenTable()
        stream.write(table.header)
        track = table.lines

    def write(result: Prediction) -> None:
        stream.write(track(result))
        stream.flush()

    return write


@contextmanager
def label_file(
    path: Path, format: Format, view: ClassifyView, *, force: bool
) -> Iterator[Callable[[Prediction], None]]:
    """A function that writes labels to `path`; the file appears when the block ends without an error.

    A Parquet file has the rows of CSV, a row group for each recording.

    Raises:
        OutputError: it can't be written, or a Parquet file would be empty.
    """
    if format is Format.PARQUET:
        with parquet_file(path, force=force) as write:
            yield lambda result: write(view.records.table([result]))
    else:
        with atomic_writer(path, "w", force=force) as stream:
            yield text_writer(stream, format)


@dataclass(frozen=True, slots=True)
class LabelFiles:
    """Writes the labels of one recording to a file."""

    format: Format
    view: ClassifyView

    def write(self, result: Prediction, path: Path) -> None:
        """Write them to `path`, replacing a file there.

        Raises:
            OutputError: the file can't be written.
        """
        if self.format in TEXT:
            write_result(result, self.view, Destination(self.format, path, force=True))
            return
        with label_file(path, self.format, self.view, force=True) as write:
            write(result)
