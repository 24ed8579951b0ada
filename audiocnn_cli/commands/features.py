"""`audiocnn features`: samples to a feature tensor."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from audiocnn_cli.audio.sources import Source, find_audio
from audiocnn_cli.batch.run import run_batch
from audiocnn_cli.commands import options
from audiocnn_cli.features.config import FeatureConfig, PadMode, feature_named
from audiocnn_cli.features.windows import Window
from audiocnn_cli.output.console import set_up_logging
from audiocnn_cli.output.destination import Format, choose_destination
from audiocnn_cli.output.results import write_outcomes

if TYPE_CHECKING:
    from audiocnn_cli.features.result import FeatureResult

EXAMPLES = """\b
Examples:
  audiocnn features song.wav
  audiocnn features song.wav --n-mfcc 20 --hop 256 --json
  audiocnn features recordings/ --csv > frames.csv
"""


@dataclass(frozen=True, slots=True)
class _Extract:
    """What is done to one source."""

    config: FeatureConfig

    def __call__(self, source: Source) -> "FeatureResult":
        from audiocnn_cli.features.result import extract_source

        return extract_source(source, self.config)


def features(
    paths: options.Paths,
    feature: Annotated[str, typer.Option(help="What to compute: mfcc, logmel or mel.")] = "mfcc",
    sample_rate: Annotated[int, typer.Option("--sr", help="Resample to this rate in Hz.")] = 22050,
    n_fft: Annotated[int, typer.Option(help="Samples in a frame.")] = 2048,
    hop_length: Annotated[int, typer.Option("--hop", help="Samples between frames.")] = 512,
    win_length: Annotated[
        int | None, typer.Option(help="Samples under the window.", show_default="n_fft")
    ] = None,
    window: Annotated[Window, typer.Option(help="Weights of a frame.")] = Window.HANN,
    center: Annotated[bool, typer.Option(help="Frames centred on their time.")] = True,
    pad_mode: Annotated[
        PadMode, typer.Option(help="What lies beyond the ends, for centred frames.")
    ] = PadMode.CONSTANT,
    n_mels: Annotated[int, typer.Option(help="Mel bands.")] = 128,
    n_mfcc: Annotated[int, typer.Option(help="Cepstral coefficients.")] = 13,
    fmin: Annotated[float, typer.Option(help="Lowest frequency in Hz.")] = 0.0,
    fmax: Annotated[
        float | None, typer.Option(help="Highest frequency in Hz.", show_default="half the rate")
    ] = None,
    htk: Annotated[
        bool, typer.Option("--htk", help="HTK's mel scale instead of Slaney's.")
    ] = False,
    top_db: Annotated[float, typer.Option(help="Floor, in dB below the loudest value.")] = 80.0,
    jobs: options.Jobs = None,
    json: options.Json = False,
    jsonl: options.Jsonl = False,
    csv: options.Csv = False,
    output: options.Output = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    version: options.Version = False,
) -> None:
    """Compute a feature tensor of shape (frames, bins) from audio."""
    set_up_logging(quiet=quiet, verbose=verbose)
    config = FeatureConfig(
        feature=feature_named(feature),
        sample_rate=sample_rate,
        n_fft=n_fft,
        hop_length=hop_length,
        win_length=win_length,
        window=window,
        center=center,
        pad_mode=pad_mode,
        n_mels=n_mels,
        n_mfcc=n_mfcc,
        fmin=fmin,
        fmax=fmax,
        htk=htk,
        top_db=top_db,
    )
    destination = choose_destination(json=json, jsonl=jsonl, csv=csv, output=output, force=force)
    outcomes = run_batch(
        find_audio(paths),
        _Extract(config),
        jobs=jobs,
        in_order=destination.format is not Format.JSONL,
    )
    from audiocnn_cli.output.feature_view import FeatureView

    tally = write_outcomes(outcomes, FeatureView(), destination)
    raise typer.Exit(tally.exit_code)
