"""Events in the label formats of other tools: Audacity, Raven, Praat and ELAN, video players."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

from audiocnn_cli.classify import Event, Prediction
from audiocnn_cli.output.formats import Format
from audiocnn_cli.output.terminal.console import display

# Formats of the report itself.
REPORTS = (Format.TABLE, Format.JSON, Format.JSONL, Format.CSV)
Track = Callable[[Prediction], str]


def audacity(result: Prediction) -> str:
    """Audacity's label track (File > Import > Labels): start, end in seconds and label, separated by tabs."""
    return "".join(
        f"{event.start_s:.6f}\t{event.end_s:.6f}\t{display(event.label)}\n" for event in result.events
    )


def webvtt(result: Prediction) -> str:
    """WebVTT (W3C): a cue for each event, times to the millisecond."""
    cues = [f"{_clock(event.start_s)} --> {_clock(event.end_s)}\n{_cue(event)}\n" for event in result.events]
    return "\n".join(["WEBVTT\n", *cues])


def _cue(event: Event) -> str:
    escapes = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}
    return f"{display(event.label)} ({event.probability:.2f})".translate(escapes)


def _clock(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


def textgrid(result: Prediction) -> str:
    """Praat's long TextGrid, also for ELAN: one tier, or one for each label where events overlap."""
    import tempfile

    from praatio import textgrid as praat
    from praatio.utilities.constants import Interval

    tiers: dict[str, list[Event]] = {}
    several = any(a.end_s > b.start_s for a, b in pairwise(result.events))
    for event in result.events:
        tiers.setdefault(event.label if several else result.model, []).append(event)
    grid = praat.Textgrid(0, result.recording_s)
    for name, events in (tiers or {result.model: []}).items():
        entries = [
            Interval(event.start_s, min(event.end_s, result.recording_s), display(event.label))
            for event in events
        ]
        grid.addTier(praat.IntervalTier(display(name), entries, 0, result.recording_s))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.TextGrid"
        grid.save(str(path), format="long_textgrid", includeBlankSpaces=True)
        return path.read_text(encoding="utf-8")


# Formats that hold one recording a file; a Raven table holds several.
TRACKS: dict[Format, Track] = {Format.AUDACITY: audacity, Format.TEXTGRID: textgrid, Format.WEBVTT: webvtt}
RAVEN_COLUMNS = (
    "Selection",
    "View",
    "Channel",
    "Begin Time (s)",
    "End Time (s)",
    "Low Freq (Hz)",
    "High Freq (Hz)",
    "Begin File",
    "File Offset (s)",
    "Annotation",
    "Score",
)


class RavenTable:
    """The lines of a Raven selection table of several recordings.

    Begin and end times continue over the recordings, as in Raven when they are opened together;
    `File Offset (s)` starts at 0 in each.
    """

    header = "\t".join(RAVEN_COLUMNS) + "\n"

    def __init__(self) -> None:
        self._selections = 0
        self._before_s = 0.0

    def lines(self, result: Prediction) -> Iterator[str]:
        """A selection for each event of the next recording."""
        for event in result.events:
            self._selections += 1
            cells = (
                str(self._selections),
                "Spectrogram 1",
                "1",
                f"{self._before_s + event.start_s:.6f}",
                f"{self._before_s + event.end_s:.6f}",
                "0",
                f"{result.highest_hz:g}",
                display(Path(result.path).name),
                f"{event.start_s:.6f}",
                display(event.label),
                f"{event.probability:.4f}",
            )
            yield "\t".join(cells) + "\n"
        self._before_s += result.recording_s
