"""The options of `audiocnn features`; those left out have the default of the dialect."""

from typing import Annotated

import typer

from audiocnn_cli.features.config import DctNorm, Dialect, Log, MelNorm, PadMode
from audiocnn_cli.features.terms import TailPolicy
from audiocnn_cli.features.windows import Window
from audiocnn_cli.output.tensors.kinds import FileFormat

Feature = Annotated[
    str | None,
    typer.Option(
        "--feature",
        help="waveform, stft, complex, mel, logmel, mfcc, chroma, contrast, tonnetz, zcr, rms, centroid,"
        " bandwidth, rolloff or flatness; several with commas.",
        show_default="mfcc",
    ),
]
Like = Annotated[
    Dialect | None, typer.Option(help="Whose defaults and conventions.", show_default="librosa")
]
Delta = Annotated[
    int | None,
    typer.Option(
        help="1 adds differences over time, 2 those of second order too.", show_default="0"
    ),
]
DeltaWidth = Annotated[
    int | None, typer.Option(help="Frames a difference is taken over.", show_default="9, or 5")
]
SampleRate = Annotated[
    int | None, typer.Option("--sr", help="Resample to this rate in Hz.", show_default="22050")
]
Channels = Annotated[
    bool | None,
    typer.Option(
        "--channels/--mono",
        help="Keep channels as the last axis, or mix down.",
        show_default="mono",
    ),
]
NFft = Annotated[int | None, typer.Option(help="Samples in a frame.", show_default="2048")]
Hop = Annotated[
    int | None, typer.Option("--hop", help="Samples between frames.", show_default="512")
]
WinLength = Annotated[
    int | None, typer.Option(help="Samples under the window.", show_default="n_fft")
]
WindowShape = Annotated[
    Window | None, typer.Option("--window", help="Weights of a frame.", show_default="hann")
]
Center = Annotated[
    bool | None,
    typer.Option(
        "--center/--no-center", help="Frames centred on their time.", show_default="center"
    ),
]
Padding = Annotated[
    PadMode | None,
    typer.Option("--pad-mode", help="What lies beyond the ends.", show_default="constant"),
]
FramesExact = Annotated[
    bool | None, typer.Option("--frames-exact", help="samples / hop frames: no last centred one.")
]
Preemphasis = Annotated[
    float | None, typer.Option(help="How much of the sample before is taken off.", show_default="0")
]
Power = Annotated[
    int | None,
    typer.Option(help="1 for magnitude, 2 for power.", show_default="1 for stft, else 2"),
]
NMels = Annotated[int | None, typer.Option(help="Mel bands.", show_default="128")]
NMfcc = Annotated[int | None, typer.Option(help="Cepstral coefficients.", show_default="13")]
Fmin = Annotated[float | None, typer.Option(help="Lowest frequency in Hz.", show_default="0")]
Fmax = Annotated[
    float | None, typer.Option(help="Highest frequency in Hz.", show_default="half the rate")
]
Htk = Annotated[
    bool | None, typer.Option("--htk/--slaney", help="Mel scale.", show_default="slaney")
]
Norm = Annotated[
    MelNorm | None,
    typer.Option("--mel-norm", help="Scale of the mel filters.", show_default="slaney"),
]
LogScale = Annotated[
    Log | None, typer.Option("--log", help="Decibels or natural logarithm.", show_default="db")
]
TopDb = Annotated[
    float | None, typer.Option(help="Floor, in dB below the loudest value.", show_default="80")
]
NoTopDb = Annotated[bool, typer.Option("--no-top-db", help="No such floor.")]
Dct = Annotated[
    DctNorm | None, typer.Option("--dct-norm", help="Scale of the DCT.", show_default="ortho")
]
Lifter = Annotated[
    float | None, typer.Option(help="Weight of higher coefficients.", show_default="0: none")
]
RollPercent = Annotated[float | None, typer.Option(help="Share for rolloff.", show_default="0.85")]
NChroma = Annotated[int | None, typer.Option(help="Pitch classes.", show_default="12")]
Tuning = Annotated[
    float | None,
    typer.Option(help="Off A440, in fractions of a chroma bin.", show_default="estimated"),
]
NBands = Annotated[int | None, typer.Option(help="Octaves of contrast.", show_default="6")]
Offset = Annotated[float | None, typer.Option(help="Start here, in seconds.", show_default="0")]
Duration = Annotated[float | None, typer.Option(help="Read so many seconds.", show_default="all")]
Segments = Annotated[int | None, typer.Option(help="Cut into so many equal segments.")]
Segment = Annotated[float | None, typer.Option(help="Cut into segments of so many seconds.")]
Overlap = Annotated[
    float | None,
    typer.Option(help="Fraction of a segment that the next repeats.", show_default="0"),
]
RestOf = Annotated[
    TailPolicy | None,
    typer.Option("--rest", help="The samples behind the last segment.", show_default="drop"),
]
Summary = Annotated[
    str | None, typer.Option(help="mean, std, min, max, median over the frames: one row a file.")
]
Config = Annotated[
    str | None, typer.Option(metavar="FILE.toml", help="Read settings; options given here win.")
]
SaveConfig = Annotated[str | None, typer.Option(metavar="FILE.toml", help="Write the settings.")]
FileFormatOption = Annotated[
    FileFormat | None,
    typer.Option("--format", help="Of the files.", show_default="by the ending; npz in a folder"),
]
Plot = Annotated[
    str | None, typer.Option(metavar="FILE.png|svg", help="Draw it; FOLDER/ for many.")
]
Explain = Annotated[
    bool, typer.Option("--explain", help="Show the stages, shapes and units, compute nothing.")
]
Verify = Annotated[
    bool,
    typer.Option("--verify", help="Compute it whole as well and print the largest difference."),
]
