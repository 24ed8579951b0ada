"""The options of `audiocnn features`, in groups; those left out have the default of the dialect."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import typer

from audiocnn_cli.audio.segments import TailPolicy
from audiocnn_cli.commands import options
from audiocnn_cli.features.config import (
    FEATURE_ALIASES,
    DctNorm,
    Dialect,
    Feature,
    Log,
    MelNorm,
    PadMode,
    Statistic,
    Window,
)
from audiocnn_cli.output.formats import TENSOR_FORMATS, Format


def _completes(*names: str) -> Callable[[str], list[str]]:
    """A completion of names that are separated by commas."""

    def complete(incomplete: str) -> list[str]:
        done, comma, last = incomplete.rpartition(",")
        return [done + comma + name for name in names if name.startswith(last)]

    return complete


FeatureNames = Annotated[
    str | None,
    typer.Option(
        metavar="NAME,...",
        help=f"{', '.join(Feature)}; several with commas. melspectrogram is mel; logmel is it in dB.",
        show_default="mfcc",
        autocompletion=_completes(*Feature, *FEATURE_ALIASES),
    ),
]
Like = Annotated[
    Dialect | None, typer.Option(help="Follow the defaults and conventions of it.", show_default="librosa")
]
SampleRate = Annotated[
    int | None,
    typer.Option("--sr", "--sample-rate", help="Resample to this rate in Hz.", show_default="22050"),
]
Channels = Annotated[
    bool | None,
    typer.Option(
        "--channels/--mono", help="Keep channels as the last axis, or mix down.", show_default="mono"
    ),
]
NFft = Annotated[int | None, typer.Option(help="Samples in a frame.", show_default="2048")]
Hop = Annotated[
    int | None, typer.Option("--hop", "--hop-length", help="Samples between frames.", show_default="512")
]
WinLength = Annotated[int | None, typer.Option(help="Samples under the window.", show_default="n_fft")]
WindowShape = Annotated[Window | None, typer.Option(help="Weights of a frame.", show_default="hann")]
Center = Annotated[
    bool | None,
    typer.Option("--center/--no-center", help="Frames centred on their time.", show_default="center"),
]
Padding = Annotated[PadMode | None, typer.Option(help="Values beyond the ends.", show_default="constant")]
FramesExact = Annotated[
    bool | None, typer.Option("--frames-exact", help="Samples / hop frames: without the last centred one.")
]
Preemphasis = Annotated[
    float | None, typer.Option(help="Factor of the sample before that is subtracted.", show_default="0")
]
Power = Annotated[
    int | None, typer.Option(help="1 for magnitude, 2 for power.", show_default="1 for stft, else 2")
]
NMels = Annotated[int | None, typer.Option(help="Mel bands.", show_default="128")]
Fmin = Annotated[float | None, typer.Option(help="Lowest frequency in Hz.", show_default="0")]
Fmax = Annotated[float | None, typer.Option(help="Highest frequency in Hz.", show_default="half the rate")]
Htk = Annotated[bool | None, typer.Option("--htk/--slaney", help="Mel scale.", show_default="slaney")]
Norm = Annotated[MelNorm | None, typer.Option(help="Scale of the mel filters.", show_default="slaney")]
LogScale = Annotated[Log | None, typer.Option(help="Decibels or natural logarithm.", show_default="db")]
TopDb = Annotated[float | None, typer.Option(help="Floor, in dB below the loudest value.", show_default="80")]
NoTopDb = Annotated[bool, typer.Option("--no-top-db", help="No such floor.")]
NMfcc = Annotated[int | None, typer.Option(help="Cepstral coefficients.", show_default="13")]
Dct = Annotated[DctNorm | None, typer.Option(help="Scale of the DCT.", show_default="ortho")]
Lifter = Annotated[float | None, typer.Option(help="Weight of higher coefficients.", show_default="0: none")]
Delta = Annotated[
    int | None, typer.Option(help="1 adds first differences over time, 2 second ones.", show_default="0")
]
DeltaWidth = Annotated[
    int | None, typer.Option(help="Frames that a difference is taken over.", show_default="9, or 5")
]
RollPercent = Annotated[float | None, typer.Option(help="Share for rolloff.", show_default="0.85")]
NChroma = Annotated[int | None, typer.Option(help="Pitch classes.", show_default="12")]
Tuning = Annotated[
    float | None,
    typer.Option(help="Deviation from A440, in fractions of a chroma bin.", show_default="estimated"),
]
NBands = Annotated[int | None, typer.Option(help="Octaves of contrast.", show_default="6")]
Offset = Annotated[float | None, typer.Option(help="Start here, in seconds.", show_default="0")]
Duration = Annotated[float | None, typer.Option(help="Read this many seconds.", show_default="all")]
Config = Annotated[
    str | None, typer.Option(metavar="FILE.toml", help="Read settings; options given here override them.")
]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class FeatureOptions:
    """What is computed."""

    heading: ClassVar[str] = "Feature"
    feature: FeatureNames = None
    n_mfcc: NMfcc = None
    n_mels: NMels = None
    delta: Delta = None
    summary: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,...",
            help=f"{', '.join(Statistic)} over the frames: one row a file.",
            autocompletion=_completes(*Statistic),
        ),
    ] = None
    like: Like = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class FrameOptions:
    """How samples are read and cut into frames."""

    heading: ClassVar[str] = "Samples and frames"
    sample_rate: SampleRate = None
    n_fft: NFft = None
    hop_length: Hop = None
    win_length: WinLength = None
    window: WindowShape = None
    center: Center = None
    pad_mode: Padding = None
    frames_exact: FramesExact = None
    preemphasis: Preemphasis = None
    channels: Channels = None
    offset: Offset = None
    duration: Duration = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SegmentOptions:
    """How a recording is cut into segments."""

    heading: ClassVar[str] = "Segments"
    segment: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Cut into segments of this length.")
    ] = None
    segments: Annotated[int | None, typer.Option(metavar="N", help="Cut into N equal segments.")] = None
    overlap: Annotated[
        float | None, typer.Option(help="Fraction of a segment that the next repeats.", show_default="0")
    ] = None
    rest: Annotated[
        TailPolicy | None,
        typer.Option(
            help="The samples behind the last segment: left out, padded with zeros, kept apart, or"
            " overlapping the last segment as for a model.",
            show_default="drop",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SpectrumOptions:
    """Parameters of the spectrum, the mel filters, the cepstrum and the descriptors."""

    heading: ClassVar[str] = "Spectrum and descriptors"
    fmin: Fmin = None
    fmax: Fmax = None
    top_db: TopDb = None
    no_top_db: NoTopDb = False
    power: Power = None
    htk: Htk = None
    mel_norm: Norm = None
    log: LogScale = None
    dct_norm: Dct = None
    lifter: Lifter = None
    delta_width: DeltaWidth = None
    n_chroma: NChroma = None
    tuning: Tuning = None
    n_bands: NBands = None
    roll_percent: RollPercent = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class OutputOptions:
    """What is printed and written."""

    heading: ClassVar[str] = "Output"
    output: Annotated[
        list[str] | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE|FOLDER/",
            help="One file for all, its format from the suffix, or one each in FOLDER/; may be repeated.",
        ),
    ] = None
    format: Annotated[
        Format | None, options.format_option(TENSOR_FORMATS, show_default="by the suffix; npz in a folder")
    ] = None
    json: options.Json = False
    jsonl: options.Jsonl = False
    csv: options.Csv = False
    plot: Annotated[str | None, typer.Option(metavar="FILE.png|svg", help="Draw it; FOLDER/ for many.")] = (
        None
    )
    explain: Annotated[
        bool, typer.Option("--explain", help="Show the stages, shapes and units, compute nothing.")
    ] = False
    force: options.Force = False
    partition_by: options.PartitionOf = None
    part_files: options.PartFiles = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SettingsOptions:
    """Files of settings."""

    heading: ClassVar[str] = "Settings"
    config: Config = None
    save_config: Annotated[str | None, typer.Option(metavar="FILE.toml", help="Write the settings.")] = None


def settings_of(*groups: FeatureOptions | FrameOptions | SegmentOptions | SpectrumOptions) -> dict[str, Any]:
    """The settings of these groups, as `merged_plan` reads them: None where an option was left out."""
    return {name: value for group in groups for name, value in vars(group).items()}
