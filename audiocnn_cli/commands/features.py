"""`audiocnn features`: samples to a feature tensor."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from audiocnn_cli.commands import feature_options as given
from audiocnn_cli.commands import options
from audiocnn_cli.errors import ExitCode, UsageError
from audiocnn_cli.output.terminal.console import set_up_logging

if TYPE_CHECKING:
    from audiocnn_cli.batch.job import BatchOptions
    from audiocnn_cli.batch.outcome import Counts
    from audiocnn_cli.features.plan import Plan
    from audiocnn_cli.output.plots.features import Pictures
    from audiocnn_cli.output.tensors.destination import FeatureOutput

EXAMPLES = """\b
Examples:
  audiocnn features song.wav
  audiocnn features song.wav --n-mfcc 20 --hop 256 --json
  audiocnn features recordings/ --summary mean,std --csv > table.csv
  audiocnn features song.wav --feature logmel --segment 3 -o song.npz
  audiocnn features recordings/ --feature mfcc,rms,centroid -o tensors/
  audiocnn features recordings/ --format parquet --partition-by label -o dataset/
  audiocnn features song.wav --like kaldi --explain
  audiocnn features - --csv < song.wav
"""


def features(
    paths: options.Inputs = None,
    feature: given.Feature = None,
    like: given.Like = None,
    sample_rate: given.SampleRate = None,
    channels: given.Channels = None,
    n_fft: given.NFft = None,
    hop_length: given.Hop = None,
    win_length: given.WinLength = None,
    window: given.WindowShape = None,
    center: given.Center = None,
    pad_mode: given.Padding = None,
    frames_exact: given.FramesExact = None,
    preemphasis: given.Preemphasis = None,
    power: given.Power = None,
    n_mels: given.NMels = None,
    fmin: given.Fmin = None,
    fmax: given.Fmax = None,
    htk: given.Htk = None,
    mel_norm: given.Norm = None,
    log: given.LogScale = None,
    top_db: given.TopDb = None,
    no_top_db: given.NoTopDb = False,
    n_mfcc: given.NMfcc = None,
    dct_norm: given.Dct = None,
    lifter: given.Lifter = None,
    delta: given.Delta = None,
    delta_width: given.DeltaWidth = None,
    roll_percent: given.RollPercent = None,
    n_chroma: given.NChroma = None,
    tuning: given.Tuning = None,
    n_bands: given.NBands = None,
    offset: given.Offset = None,
    duration: given.Duration = None,
    segments: given.Segments = None,
    segment: given.Segment = None,
    overlap: given.Overlap = None,
    rest: given.RestOf = None,
    summary: given.Summary = None,
    config: given.Config = None,
    save_config: given.SaveConfig = None,
    plot: given.Plot = None,
    explain: given.Explain = False,
    verify: given.Verify = False,
    jobs: options.Jobs = None,
    timeout: options.Timeout = None,
    journal: options.Journal = None,
    resume: options.Resume = False,
    checksum: options.Checksum = False,
    failures: options.Failures = None,
    retry_failures: options.RetryFailures = None,
    shard: options.ShardOf = None,
    cluster: options.Cluster = None,
    log_json: options.LogJson = False,
    json: options.Json = False,
    jsonl: options.Jsonl = False,
    csv: options.Csv = False,
    output: options.FileOrFolder = None,
    format: given.FileFormatOption = None,
    partition_by: options.PartitionOf = None,
    part_files: options.PartFiles = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    version: options.Version = False,
) -> None:
    """Compute a feature tensor of shape (frames, bins) from audio."""
    settings = {
        "feature": feature,
        "like": like,
        "sample_rate": sample_rate,
        "channels": channels,
        "n_fft": n_fft,
        "hop_length": hop_length,
        "win_length": win_length,
        "window": window,
        "center": center,
        "pad_mode": pad_mode,
        "frames_exact": frames_exact,
        "preemphasis": preemphasis,
        "power": power,
        "n_mels": n_mels,
        "fmin": fmin,
        "fmax": fmax,
        "htk": htk,
        "mel_norm": mel_norm,
        "log": log,
        "top_db": top_db,
        "n_mfcc": n_mfcc,
        "dct_norm": dct_norm,
        "lifter": lifter,
        "delta": delta,
        "delta_width": delta_width,
        "roll_percent": roll_percent,
        "n_chroma": n_chroma,
        "tuning": tuning,
        "n_bands": n_bands,
        "offset": offset,
        "duration": duration,
        "segments": segments,
        "segment": segment,
        "overlap": overlap,
        "rest": rest,
        "summary": summary,
    }
    set_up_logging(quiet=quiet, verbose=verbose, as_json=log_json)
    from audiocnn_cli.commands.batch import BatchOptions, output_everywhere
    from audiocnn_cli.datasets.dataset import PartOptions
    from audiocnn_cli.features.settings import merged_plan
    from audiocnn_cli.output.tensors.destination import choose_feature_output

    plan = merged_plan(settings, config, no_top_db=no_top_db)
    destination = choose_feature_output(
        json=json,
        jsonl=jsonl,
        csv=csv,
        output=output_everywhere(output, cluster),
        format=format,
        parts=PartOptions(partition_by=partition_by, part_files=part_files),
        force=force or resume,
    )
    if save_config:
        _save(plan, Path(save_config), force=force)
    if explain:
        raise typer.Exit(_explain(paths or [], plan, destination).exit_code)
    batch = BatchOptions(
        paths=paths,
        # Peak memory is that of the process: recordings side by side would count for each other.
        jobs=1 if verify else jobs,
        timeout=timeout,
        journal=journal,
        resume=resume,
        checksum=checksum,
        failures=failures,
        retry_failures=retry_failures,
        shard=shard,
        cluster=cluster,
        force=force,
    )
    drawn = output_everywhere(plot, cluster)
    pictures = _pictures(drawn, plan, force=force or resume) if drawn else None
    raise typer.Exit(_run(plan, batch, destination, verifying=verify, pictures=pictures))


def _run(
    plan: "Plan",
    batch: "BatchOptions",
    destination: "FeatureOutput",
    *,
    verifying: bool,
    pictures: "Pictures | None",
) -> ExitCode:
    from audiocnn_cli.commands.batch import Job, run_job
    from audiocnn_cli.output.tensors.kinds import FileFormat
    from audiocnn_cli.output.tensors.report import FeatureReportCodec
    from audiocnn_cli.output.tensors.task import Features

    folder, dataset = destination.folder, destination.dataset
    format = folder.format if folder else FileFormat.PARQUET if dataset else None
    job = Job(
        command="features",
        task=Features(plan, destination, pictures=pictures, verifying=verifying),
        recipe=plan,
        options={"format": format, **(dataset.layout if dataset else {})},
        codec=FeatureReportCodec(),
        audio_s=lambda report: report.duration_s,
        in_order=destination.in_order,
        files=folder.files if folder else None,
        dataset=dataset,
        large_results=destination.keeps_tensors,
        no_journal=destination.no_journal,
        only_one=pictures.of_one if pictures else None,
    )
    return run_job(job, batch, destination.write)


def _explain(paths: list[str], plan: "Plan", destination: "FeatureOutput") -> "Counts":
    from audiocnn_cli.audio.sources import find_audio
    from audiocnn_cli.batch.executor import Workers
    from audiocnn_cli.batch.run import run_batch
    from audiocnn_cli.output.views.explain import Explain, ExplainView

    task = Explain(plan)
    workers = Workers(jobs=1, isolated=True)
    outcomes = run_batch(find_audio(paths), task, workers=workers) if paths else [task.stand_in()]
    from audiocnn_cli.output.results import write_outcomes

    return write_outcomes(outcomes, ExplainView(), destination.report)


def _pictures(plot: str, plan: "Plan", *, force: bool) -> "Pictures":
    from audiocnn_cli.output.plots.features import Pictures

    if plan.summary:
        raise UsageError("--plot draws frames, and a summary has none: leave out one of the two")
    return Pictures(plot, force=force)


def _save(plan: "Plan", path: Path, *, force: bool) -> None:
    from audiocnn_cli.features.settings import settings_toml
    from audiocnn_cli.files import atomic_writer

    with atomic_writer(path, "w", force=force) as stream:
        stream.write(settings_toml(plan))
