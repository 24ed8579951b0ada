"""`audiocnn features`: samples to a feature tensor."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from audiocnn_cli.commands import feature_options as groups
from audiocnn_cli.commands import options
from audiocnn_cli.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from audiocnn_cli.batch.job import BatchOptions
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
    *,
    feature: groups.FeatureOptions,
    frames: groups.FrameOptions,
    segments: groups.SegmentOptions,
    spectrum: groups.SpectrumOptions,
    output: groups.OutputOptions,
    settings: groups.SettingsOptions,
    many: options.ManyFiles,
    logging: options.BatchLogging,
) -> None:
    """Compute a feature tensor of shape (frames, bins) from audio."""
    logging.set_up()
    from audiocnn_cli.commands.batch import batch_options, output_everywhere
    from audiocnn_cli.features.settings import merged_plan

    given = groups.settings_of(feature, frames, segments, spectrum)
    no_top_db = given.pop("no_top_db")
    plan = merged_plan(given, settings.config, no_top_db=no_top_db)
    groups.warn_without_effect(plan, given | {"no_top_db": no_top_db or None})
    destination = _destination(output, many, logging)
    if settings.save_config:
        _save(plan, Path(settings.save_config), force=output.force)
    if output.explain:
        raise typer.Exit(_explain(paths or [], plan, destination))
    drawn = output_everywhere(output.plot, many.cluster)
    pictures = _pictures(drawn, plan, force=destination.force) if drawn else None
    batch = batch_options(paths, many, force=output.force)
    raise typer.Exit(_run(plan, batch, destination, pictures))


def _destination(
    output: groups.OutputOptions, many: options.ManyFiles, logging: options.BatchLogging
) -> "FeatureOutput":
    from audiocnn_cli.commands.batch import output_everywhere
    from audiocnn_cli.datasets.dataset import PartOptions
    from audiocnn_cli.output.tensors.destination import choose_feature_output

    named = [output_everywhere(each, many.cluster) or each for each in output.output or []]
    return choose_feature_output(
        json=output.json,
        jsonl=output.jsonl,
        csv=output.csv,
        outputs=named,
        format=output.format,
        parts=PartOptions(partition_by=output.partition_by, part_files=output.part_files),
        force=output.force or many.resume,
        quiet=logging.quiet,
        verbose=logging.verbose,
    )


def _run(
    plan: "Plan", batch: "BatchOptions", destination: "FeatureOutput", pictures: "Pictures | None"
) -> ExitCode:
    from audiocnn_cli.commands.batch import Job, run_job
    from audiocnn_cli.output.formats import Format
    from audiocnn_cli.output.tensors.destination import Features
    from audiocnn_cli.output.tensors.report import FeatureReportCodec

    folder, dataset = destination.folder, destination.dataset
    format = folder.format if folder else Format.PARQUET if dataset else None
    job = Job(
        command="features",
        task=Features(plan, destination, pictures=pictures),
        recipe=plan,
        options={"format": format, **(dataset.layout if dataset else {})},
        codec=FeatureReportCodec(),
        audio_s=lambda report: report.duration_s,
        in_order=destination.in_order,
        files=folder.files if folder else None,
        dataset=dataset,
        large_results=destination.keeps_tensors,
        # The journal of a folder holds no tensors for the files beside it, which matters only to --resume.
        no_journal=destination.no_journal if batch.resume or folder is None else None,
        resumable=destination.no_journal is None,
        only_one=pictures.of_one if pictures else None,
    )
    return run_job(job, batch, destination.write)


def _explain(paths: list[str], plan: "Plan", destination: "FeatureOutput") -> ExitCode:
    from audiocnn_cli.audio.sources import find_audio
    from audiocnn_cli.batch.run import Workers, run_batch
    from audiocnn_cli.output.results import write_outcomes
    from audiocnn_cli.output.views.explain import Explain, ExplainView

    task = Explain(plan)
    workers = Workers(jobs=1, isolated=True)
    outcomes = run_batch(find_audio(paths), task, workers=workers) if paths else [task.example()]
    return write_outcomes(outcomes, ExplainView(), destination.report).exit_code


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
