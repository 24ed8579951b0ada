"""The options of `audiocnn features`, in groups; those left out have the default of the dialect."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from audiocnn_cli.audio.segments import TailPolicy
from audiocnn_cli.commands import options
from audiocnn_cli.commands.groups import option_group
from audiocnn_cli.commands.options import completes, option
from audiocnn_cli.features.config import (
    FEATURE_ALIASES,
    Aggregate,
    DctNorm,
    Dialect,
    Feature,
    Log,
    MelNorm,
    Statistic,
    Unvoiced,
    Window,
)
from audiocnn_cli.features.framing import PadMode
from audiocnn_cli.output.formats import TENSOR_FORMATS, Format

if TYPE_CHECKING:
    from audiocnn_cli.features.plan import Plan

_log = logging.getLogger("audiocnn")

Config = Annotated[
    str | None, option("Read settings; options given here override them.", metavar="FILE.toml")
]


@option_group
class Computed:
    """What is computed: the settings of a model too."""

    heading: ClassVar[str] = "Feature"
    feature: Annotated[
        str | None,
        option(
            f"{', '.join(Feature)}; several with commas. logmel is mel in dB, pcen normalised.",
            default="mfcc",
            metavar="NAME,...",
            autocompletion=completes(*Feature, *FEATURE_ALIASES),
        ),
    ] = None
    n_mfcc: Annotated[int | None, option("Cepstral coefficients.", default="13")] = None
    n_mels: Annotated[int | None, option("Mel bands.", default="128")] = None
    delta: Annotated[
        int | None, option("1 adds first differences over time, 2 second ones.", default="0")
    ] = None
    like: Annotated[
        Dialect | None, option("Follow the defaults and conventions of it.", default="librosa")
    ] = None


@option_group
class FeatureOptions(Computed):
    """As `Computed`, with summaries."""

    summary: Annotated[
        str | None,
        option(
            f"{', '.join(Statistic)} over the frames: one row a file.",
            metavar="NAME,...",
            autocompletion=completes(*Statistic),
        ),
    ] = None


@option_group
class Frames:
    """How samples are cut into frames: the settings of a model too."""

    heading: ClassVar[str] = "Samples and frames"
    sample_rate: Annotated[
        int | None, option("Resample to this rate in Hz.", "--sr", "--sample-rate", default="22050")
    ] = None
    n_fft: Annotated[int | None, option("Samples in a frame.", default="2048")] = None
    hop_length: Annotated[
        int | None, option("Samples between frames.", "--hop", "--hop-length", default="512")
    ] = None
    win_length: Annotated[int | None, option("Samples under the window.", default="n_fft")] = None
    window: Annotated[Window | None, option("Weights of a frame.", default="hann")] = None
    center: Annotated[
        bool | None, option("Frames centred on their time.", "--center/--no-center", default="center")
    ] = None
    pad_mode: Annotated[PadMode | None, option("Values beyond the ends.", default="constant")] = None
    frames_exact: Annotated[
        bool | None, option("Samples / hop frames: without the last centred one.", "--frames-exact")
    ] = None
    preemphasis: Annotated[
        float | None, option("Factor of the sample before that is subtracted.", default="0")
    ] = None


@option_group
class FrameOptions(Frames):
    """As `Frames`, with what is read of the samples."""

    channels: Annotated[
        bool | None,
        option("Keep channels as the last axis, or mix down.", "--channels/--mono", default="mono"),
    ] = None
    offset: Annotated[float | None, option("Start here, in seconds.", default="0")] = None
    duration: Annotated[float | None, option("Read this many seconds.", default="all")] = None


@option_group
class SegmentOptions:
    """How a recording is cut into segments."""

    heading: ClassVar[str] = "Segments"
    segment: Annotated[float | None, option("Cut into segments of this length.", metavar="SECONDS")] = None
    segments: Annotated[int | None, option("Cut into N equal segments.", metavar="N")] = None
    overlap: Annotated[float | None, option("Fraction of a segment that the next repeats.", default="0")] = (
        None
    )
    rest: Annotated[
        TailPolicy | None,
        option(
            "The samples behind the last segment: left out, padded with zeros, kept apart, or"
            " overlapping the last segment as for a model.",
            default="drop",
        ),
    ] = None


@option_group
class SpectrumOptions:
    """Parameters of the spectrum, the mel filters, the cepstrum and the descriptors."""

    heading: ClassVar[str] = "Spectrum and descriptors"
    fmin: Annotated[float | None, option("Lowest frequency in Hz.", default="0; 65 for f0")] = None
    fmax: Annotated[float | None, option("Highest frequency in Hz.", default="rate / 2; 2093 for f0")] = None
    top_db: Annotated[float | None, option("Floor, in dB below the loudest value.", default="80")] = None
    no_top_db: Annotated[bool, option("No such floor.", "--no-top-db")] = False
    power: Annotated[
        int | None, option("1 for magnitude, 2 for power.", default="1 for stft and pcen, else 2")
    ] = None
    htk: Annotated[bool | None, option("Mel scale.", "--htk/--slaney", default="slaney")] = None
    mel_norm: Annotated[MelNorm | None, option("Scale of the mel filters.", default="slaney")] = None
    pcen_gain: Annotated[
        float | None, option("Exponent of the level that pcen divides by.", default="0.98")
    ] = None
    pcen_bias: Annotated[float | None, option("Added before pcen compresses.", default="2")] = None
    pcen_power: Annotated[float | None, option("Exponent of that; 0 for a logarithm.", default="0.5")] = None
    pcen_time_constant: Annotated[
        float | None, option("Seconds that the level is smoothed over.", default="0.4")
    ] = None
    pcen_eps: Annotated[float | None, option("Smallest level.", default="1e-6")] = None
    pcen_scale: Annotated[float | None, option("Factor on the mel spectrum.", default="2^31")] = None
    max_size: Annotated[
        int | None, option("Mel bands that pcen and onset take the largest of.", default="1")
    ] = None
    lag: Annotated[int | None, option("Frames that an onset is measured over.", default="1")] = None
    aggregate: Annotated[Aggregate | None, option("Of the bands' increases, for onset.", default="mean")] = (
        None
    )
    detrend: Annotated[bool | None, option("Subtract the mean so far of onset.", "--detrend")] = None
    unvoiced: Annotated[
        Unvoiced | None, option("The f0 of frames that are not periodic.", default="zero")
    ] = None
    voicing_threshold: Annotated[
        float | None, option("Frames below this voicing have no f0.", default="0.5")
    ] = None
    trough_threshold: Annotated[
        float | None, option("f0 is of the first trough below it.", default="0.1")
    ] = None
    f0_track: Annotated[
        bool | None, option("f0 on the path of least cost, without octave errors.", "--f0-track")
    ] = None
    log: Annotated[Log | None, option("Decibels or natural logarithm.", default="db")] = None
    dct_norm: Annotated[DctNorm | None, option("Scale of the DCT.", default="ortho")] = None
    lifter: Annotated[float | None, option("Weight of higher coefficients.", default="0: none")] = None
    delta_width: Annotated[
        int | None, option("Frames that a difference is taken over.", default="9, or 5")
    ] = None
    n_chroma: Annotated[int | None, option("Pitch classes.", default="12")] = None
    tuning: Annotated[
        float | None, option("Deviation from A440, in fractions of a chroma bin.", default="estimated")
    ] = None
    n_bands: Annotated[int | None, option("Octaves of contrast.", default="6")] = None
    roll_percent: Annotated[float | None, option("Share for rolloff.", default="0.85")] = None


@option_group
class OutputOptions:
    """What is printed and written."""

    heading: ClassVar[str] = "Output"
    output: Annotated[
        list[str] | None,
        option(
            "One file for all, its format from the suffix, or one each in FOLDER/; may be repeated.",
            "--output",
            "-o",
            metavar="FILE|FOLDER/",
        ),
    ] = None
    format: Annotated[
        Format | None, options.format_option(TENSOR_FORMATS, show_default="by the suffix; npz in a folder")
    ] = None
    json: options.Json = False
    jsonl: options.Jsonl = False
    csv: options.Csv = False
    plot: Annotated[str | None, option("Draw it; FOLDER/ for many.", metavar="FILE.png|svg")] = None
    explain: Annotated[bool, option("Show the stages, shapes and units, compute nothing.", "--explain")] = (
        False
    )
    force: options.Force = False
    partition_by: options.PartitionOf = None
    part_files: options.PartFiles = None


@option_group
class SettingsOptions:
    """Files of settings."""

    heading: ClassVar[str] = "Settings"
    config: Config = None
    save_config: Annotated[str | None, option("Write the settings.", metavar="FILE.toml")] = None


def settings_of(*groups: FeatureOptions | FrameOptions | SegmentOptions | SpectrumOptions) -> dict[str, Any]:
    """The settings of these groups, as `merged_plan` reads them: None where an option was left out."""
    return {name: value for group in groups for name, value in vars(group).items()}


def warn_without_effect(plan: "Plan", given: Mapping[str, Any]) -> None:
    """Print a line on stderr for each of the `given` settings, by name, that can't change the result."""
    from audiocnn_cli.features.effect import without_effect

    for sentence in without_effect(plan, {name: value for name, value in given.items() if value is not None}):
        _log.warning("%s", sentence)
