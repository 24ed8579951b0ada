"""`audiocnn classify`: labels from an ONNX model."""

from pathlib import Path
from typing import Annotated

import typer

from audiocnn_cli.audio.sources import find_audio
from audiocnn_cli.commands import options
from audiocnn_cli.errors import UsageError
from audiocnn_cli.models.registry import DEFAULT_MODEL, find_model
from audiocnn_cli.output.console import set_up_logging
from audiocnn_cli.output.destination import Format, choose_destination
from audiocnn_cli.output.results import write_outcomes

EXAMPLES = """\b
Examples:
  audiocnn classify *.wav
  audiocnn classify recordings/ --csv > labels.csv
  audiocnn classify song.flac --timeline --json
  audiocnn classify song.flac --trace --why
  audiocnn classify song.flac --report song.html
  audiocnn classify song.flac --model my-model.onnx --threshold 0.6
"""


def classify(
    paths: options.Paths,
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
    trace: Annotated[
        bool, typer.Option("--trace", help="Every tensor from the file to the label, and its time.")
    ] = False,
    why: Annotated[
        bool, typer.Option("--why", help="The times and frequencies that the label rests on.")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="Write a page to look at and listen to."),
    ] = None,
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
    """Label audio: segments through a CNN, their mean as the answer for the clip.

    The last partial segment is moved back to end with the clip if it is half a segment or more, and
    dropped if not; a clip shorter than a segment is repeated to fill it. The output says which.
    """
    set_up_logging(quiet=quiet, verbose=verbose)
    destination = choose_destination(json=json, jsonl=jsonl, csv=csv, output=output, force=force)
    from audiocnn_cli.batch.executor import Workers
    from audiocnn_cli.batch.run import run_batch
    from audiocnn_cli.classify import ClassifyOptions, Thresholds
    from audiocnn_cli.classify.work import Classification, ModelChoice
    from audiocnn_cli.output.classify_view import ClassifyView

    task = Classification(
        models=(ModelChoice(find_model(model).path),),
        options=ClassifyOptions(top=top, thresholds=Thresholds(threshold)),
    )
    view = ClassifyView(timeline=timeline)
    inputs, in_order = find_audio(paths), destination.format is not Format.JSONL
    workers = Workers(jobs=jobs)
    if report or trace or why:
        from audiocnn_cli.inspection.work import Inspection
        from audiocnn_cli.output.inspection_view import InspectionView

        if trace and why and destination.format is Format.CSV:
            raise UsageError("--trace and --why are different tables; give one of them with --csv")
        looking = Inspection(classification=task, trace=trace, why=why)
        if report:
            from audiocnn_cli.output.report.pages import pages_for
            from audiocnn_cli.output.report.work import ReportedView, Reporting, with_overview

            pages, inputs = pages_for(inputs, report, force=force)
            reported = run_batch(
                inputs,
                Reporting(inspection=looking, pages=pages),
                workers=workers,
                in_order=in_order,
            )
            reports = ReportedView(InspectionView(view))
            tally = write_outcomes(with_overview(reported, pages), reports, destination)
        else:
            inspected = run_batch(inputs, looking, workers=workers, in_order=in_order)
            tally = write_outcomes(inspected, InspectionView(view), destination)
    else:
        outcomes = run_batch(inputs, task, workers=workers, in_order=in_order)
        tally = write_outcomes(outcomes, view, destination)
    raise typer.Exit(tally.exit_code)
