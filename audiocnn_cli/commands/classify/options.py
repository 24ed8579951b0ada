"""The options of `audiocnn classify`, beside those that every command or `audiocnn features` has."""

from pathlib import Path
from typing import Annotated

import typer

from audiocnn_cli.models.registry import DEFAULT_MODEL
from audiocnn_cli.output.tensors.kinds import LabelFormat

Paths = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PATHS...",
        help="Files, folders, glob patterns, '-' (labelled as it arrives) or @list.txt.",
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE|auto",
        help="A model's name, an .onnx file, or auto: the one for the type of sound.",
        show_default=DEFAULT_MODEL,
    ),
]
Ensemble = Annotated[
    str | None,
    typer.Option(metavar="A,B,...", help="Several models with the same labels: their mean."),
]
Top = Annotated[int, typer.Option(min=1, help="Candidates to list for each clip.")]
Threshold = Annotated[
    list[str] | None,
    typer.Option(
        metavar="P|LABEL=P",
        help="Say no label below this probability, or one label below its own; 0 never.",
        show_default="the model's",
    ),
]
Gate = Annotated[
    bool | None,
    typer.Option(
        "--gate/--no-gate",
        help="Say so when a clip is another type of sound than the model is for.",
        show_default="where the model names its type",
    ),
]
Timeline = Annotated[bool, typer.Option("--timeline", help="Also the labels of every segment.")]
Events = Annotated[
    bool, typer.Option("--events", help="Also the events: neighbouring segments of one label.")
]
Overlap = Annotated[
    float | None,
    typer.Option(help="Fraction of a segment that the next repeats.", show_default="the model's"),
]
Smooth = Annotated[
    float, typer.Option(metavar="SECONDS", help="Average the timeline over so many seconds.")
]
MinEvent = Annotated[
    float, typer.Option(metavar="SECONDS", help="Leave out events that are shorter.")
]
Trace = Annotated[
    bool,
    typer.Option("--trace", help="Also every tensor from the file to the label, and its time."),
]
Why = Annotated[
    bool, typer.Option("--why", help="Also the times and frequencies that the label rests on.")
]
Report = Annotated[
    Path | None,
    typer.Option(metavar="FILE.html", help="Write a page to look at and listen to."),
]
Provider = Annotated[
    str, typer.Option(metavar="NAME", help="Where it runs; see `audiocnn models providers`.")
]
SampleRate = Annotated[
    int | None,
    typer.Option("--sr", help="The rate of --raw in Hz."),
]
Raw = Annotated[
    str | None,
    typer.Option(
        metavar="FORMAT",
        help="'-' is bare samples: u8, s16le, s24le, s32le, f32le, f64le, or ...be.",
    ),
]
RawChannels = Annotated[
    int, typer.Option("--raw-channels", min=1, help="Interleaved channels of --raw.")
]
Microphone = Annotated[
    bool, typer.Option("--mic", help="Listen to the microphone (needs the [live] extra).")
]
Format = Annotated[
    LabelFormat | None,
    typer.Option("--format", help="Of the output.", show_default="by the ending; a table"),
]
