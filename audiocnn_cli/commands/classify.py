"""`audiocnn classify`: labels from an ONNX model."""

from pathlib import Path
from typing import Annotated

import typer

from audiocnn_cli.commands import options
from audiocnn_cli.commands.batch import BatchOptions, Job, output_everywhere, run_job
from audiocnn_cli.errors import UsageError
from audiocnn_cli.models.registry import DEFAULT_MODEL, find_model
from audiocnn_cli.output.console import set_up_logging
from audiocnn_cli.output.destination import Format, choose_with_folder
from audiocnn_cli.output.file_formats import FolderFormat

EXAMPLES = """\b
Examples:
  audiocnn classify *.wav
  audiocnn classify recordings/ --csv > labels.csv
  audiocnn classify recordings/ -o labels/ --resume
  audiocnn classify song.flac --timeline --json
  audiocnn classify song.flac --model my-model.onnx --threshold 0.6
"""


def classify(
    paths: options.Inputs = None,
    model: Annotated[
        str, typer.Option(metavar="NAME|FILE", help="A bundled model, or an .onnx file.")
    ] = DEFAULT_MODEL,
    top: Annotated[int, typer.Option(min=1, help="Candidates to list for each clip.")] = 3,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Abstain below this probability; 0 never.",
            show_default="the model's",
        ),
    ] = None,
    timeline: Annotated[
        bool, typer.Option("--timeline", help="Also the label of every segment.")
    ] = False,
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
    format: Annotated[
        FolderFormat | None,
        typer.Option(help="What FOLDER/ holds: a file each, or a data set.", show_default="json"),
    ] = None,
    partition_by: options.PartitionOf = None,
    part_files: options.PartFiles = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    version: options.Version = False,
) -> None:
    """Label audio: segments through a CNN, their mean as the answer for the clip.

    The last partial segment is moved back to end with the clip if it is half a segment or more, and
    dropped if not; a clip shorter than a segment is repeated to fill it. The output says which.
    """
    set_up_logging(quiet=quiet, verbose=verbose, as_json=log_json)
    batch = BatchOptions(
        paths=paths,
        jobs=jobs,
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
    destination, folder = choose_with_folder(
        json=json,
        jsonl=jsonl,
        csv=csv,
        output=output_everywhere(output, cluster),
        force=force or resume,
    )
    from audiocnn_cli.batch.codec import DataclassCodec
    from audiocnn_cli.batch.configuration import configuration
    from audiocnn_cli.batch.task import Task
    from audiocnn_cli.classify import ClassifyOptions, Prediction, Thresholds
    from audiocnn_cli.classify.work import Classification, ModelChoice
    from audiocnn_cli.output.classify_view import ClassifyView
    from audiocnn_cli.output.dataset import PartOptions
    from audiocnn_cli.output.prediction_rows import PredictionRows
    from audiocnn_cli.output.result_folder import IntoFolder, ResultFolder
    from audiocnn_cli.output.results import write_outcomes

    task: Task[Prediction] = Classification(
        models=(ModelChoice(find_model(model).path),),
        options=ClassifyOptions(top=top, thresholds=Thresholds(threshold)),
    )
    view = ClassifyView(timeline=timeline)
    parts = PartOptions(partition_by=partition_by, part_files=part_files)
    dataset = files = None
    if folder is None or format is not FolderFormat.PARQUET:
        parts.require_none()
    if folder is None and format is not None:
        raise UsageError(f"--format {format} needs a folder: add -o FOLDER/")
    if folder is not None and format is FolderFormat.PARQUET:
        dataset = parts.dataset(folder, PredictionRows(timeline=timeline))
    elif folder is not None:
        files = ResultFolder(Path(folder), "json")
    layout = dataset.layout if dataset else {}
    job = Job(
        command="classify",
        task=IntoFolder(task, files, view) if files else task,
        configuration=configuration(task, timeline=timeline, **layout),
        codec=DataclassCodec(Prediction),
        audio_s=lambda prediction: prediction.duration_s,
        in_order=destination.format is not Format.JSONL,
        files=files,
        dataset=dataset,
    )
    raise typer.Exit(run_job(job, batch, lambda found: write_outcomes(found, view, destination)))
