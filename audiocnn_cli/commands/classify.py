"""`audiocnn classify`: labels from an ONNX model."""

from typing import Annotated

import typer

from audiocnn_cli.commands import options
from audiocnn_cli.commands.batch import BatchOptions, Job, run_job
from audiocnn_cli.models.registry import DEFAULT_MODEL, find_model
from audiocnn_cli.output.console import set_up_logging
from audiocnn_cli.output.destination import Format, choose_with_folder

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
    log_json: options.LogJson = False,
    json: options.Json = False,
    jsonl: options.Jsonl = False,
    csv: options.Csv = False,
    output: options.FileOrFolder = None,
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
        force=force,
    )
    destination, folder = choose_with_folder(
        json=json, jsonl=jsonl, csv=csv, output=output, force=force or resume
    )
    from audiocnn_cli.batch.codec import DataclassCodec
    from audiocnn_cli.batch.configuration import configuration
    from audiocnn_cli.batch.task import Task
    from audiocnn_cli.classify import ClassifyOptions, Prediction, Thresholds
    from audiocnn_cli.classify.work import Classification, ModelChoice
    from audiocnn_cli.output.classify_view import ClassifyView
    from audiocnn_cli.output.result_folder import IntoFolder, ResultFolder
    from audiocnn_cli.output.results import write_outcomes

    task: Task[Prediction] = Classification(
        models=(ModelChoice(find_model(model).path),),
        options=ClassifyOptions(top=top, thresholds=Thresholds(threshold)),
    )
    view = ClassifyView(timeline=timeline)
    files = ResultFolder(folder, "json") if folder else None
    job = Job(
        command="classify",
        task=IntoFolder(task, files, view) if files else task,
        configuration=configuration(task, timeline=timeline),
        codec=DataclassCodec(Prediction),
        audio_s=lambda prediction: prediction.duration_s,
        in_order=destination.format is not Format.JSONL,
        files=files,
    )
    raise typer.Exit(run_job(job, batch, lambda found: write_outcomes(found, view, destination)))
