"""`audiocnn evaluate`: how often a model is right on a labelled folder."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from audiocnn_cli.commands import options
from audiocnn_cli.commands.batch import BatchOptions, Job, run_job
from audiocnn_cli.errors import ExitCode, UsageError
from audiocnn_cli.models.registry import DEFAULT_MODEL, bundled_models, find_model
from audiocnn_cli.output.destination import Destination, choose_destination
from audiocnn_cli.output.terminal.console import log, print_failure, set_up_logging

if TYPE_CHECKING:
    from audiocnn_cli.batch.outcome import Counts, Failure
    from audiocnn_cli.evaluation.scoring import Question, Replies, Reply

EXAMPLES = """\b
Examples:
  audiocnn evaluate recordings/ --model genre-cnn
  audiocnn evaluate recordings/ --model my-model.onnx --json
  audiocnn evaluate recordings/ --robustness --plot figures.png
  audiocnn evaluate archive/ --journal run.sqlite --resume --failures bad.jsonl
  audiocnn evaluate data-sets/ --all
"""


def evaluate(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Holds one sub-folder of recordings a class.")
    ],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="A model's name, or an .onnx file.",
            show_default=f"{DEFAULT_MODEL}; with --all every bundled one",
        ),
    ] = None,
    all_figures: Annotated[
        bool,
        typer.Option(
            "--all",
            help="Measure every figure of the models' cards again; FOLDER holds their data sets.",
        ),
    ] = False,
    include_training: Annotated[
        bool,
        typer.Option(
            "--include-training",
            help="Count clips that the model was trained on: a flattering figure.",
        ),
    ] = False,
    robustness: Annotated[
        bool,
        typer.Option(
            "--robustness",
            help="Also of the same clips as 8 kHz copies, as MP3, softer, with noise and from stereo.",
        ),
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png|svg",
            help="Draw confusion matrix, reliability and coverage (needs the [plot] extra).",
        ),
    ] = None,
    jobs: options.Jobs = None,
    timeout: options.Timeout = None,
    journal: options.JournalFile = None,
    resume: options.Resume = False,
    checksum: options.Checksum = False,
    failures: options.Failures = None,
    cluster: options.Cluster = None,
    log_json: options.LogJson = False,
    json: options.Json = False,
    jsonl: options.Jsonl = False,
    csv: options.Csv = False,
    output: options.Output = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
    version: options.Version = False,
) -> None:
    """Measure a model on recordings sorted into folders, one folder a class.

    Accuracy is over clips, with a 95 % interval. Clips that the model was trained on are recognised by
    their content: the member of the model that never heard one answers for it, and where there is none it
    is left out. Exit 1 if a recording could not be used, or with --all if a figure differs from its card.
    """
    set_up_logging(quiet=quiet, verbose=verbose, as_json=log_json)
    # What an earlier run with this journal wrote is written again.
    again = force or (resume and journal is not None and journal.exists())
    destination = choose_destination(json=json, jsonl=jsonl, csv=csv, output=output, force=again)
    from audiocnn_cli.evaluation.degrade import DEGRADATIONS
    from audiocnn_cli.evaluation.evaluate import evaluate as evaluate_folder
    from audiocnn_cli.models.session import open_model
    from audiocnn_cli.output.plots.evaluation import draw_evaluation
    from audiocnn_cli.output.plots.figure import check_picture
    from audiocnn_cli.output.results import write_result
    from audiocnn_cli.output.views.evaluation import EvaluationView

    batch = BatchOptions(
        paths=[str(folder)],
        jobs=jobs,
        timeout=timeout,
        journal=journal,
        resume=resume,
        checksum=checksum,
        failures=failures,
        retry_failures=None,
        shard=None,
        cluster=cluster,
        force=force,
    )
    if all_figures:
        alone = (journal, failures, cluster, plot)
        if any((robustness, include_training, resume, checksum)) or any(alone):
            raise UsageError(
                "--all measures what the cards say; it goes with --model, --jobs and --timeout only"
            )
        _remake(folder, model, batch, destination)
    if plot is not None:
        check_picture(plot, force=again)
    opened = open_model(find_model(model or DEFAULT_MODEL).path)
    result = evaluate_folder(
        folder if cluster is None else Path(os.path.abspath(folder)),  # noqa: PTH100 (keeps links)
        opened,
        include_training=include_training,
        degradations=DEGRADATIONS if robustness else (),
        ask=lambda question: _ask(question, batch),
    )
    if plot is not None:
        draw_evaluation(result, plot, force=again)
    write_result(result, EvaluationView(), destination)
    raise typer.Exit(ExitCode.SOME_FAILED if result.failures else ExitCode.DONE)


def _ask(question: "Question", batch: BatchOptions) -> "Replies":
    """Ask of all clips, as a batch like others; no figure is said of those that were asked before Ctrl-C."""
    from audiocnn_cli.batch.codec import DataclassCodec
    from audiocnn_cli.evaluation.labelled import recordings
    from audiocnn_cli.evaluation.scoring import Replies, Reply

    job = Job(
        command="evaluate",
        task=question,
        # Each recording is known by its own path.
        recipe=replace(question, folder=Path(), degradations=()),
        # By their names: they are functions.
        options={"degradations": ", ".join(each.name for each in question.degradations)},
        codec=DataclassCodec(Reply),
        audio_s=lambda reply: reply.audio_s,
        in_order=True,
        find=lambda: recordings(question.folder),
    )
    replies: list[Replies] = []

    def gather(outcomes: "Iterator[Reply | Failure]") -> "Counts":
        replies.append(Replies.of(_said(outcomes)))
        return replies[0].tally

    if run_job(job, batch, gather) is ExitCode.INTERRUPTED:
        again = "; --resume goes on" if batch.journal else ""
        log.warning("stopped before all clips were asked, so there are no figures%s", again)
        raise typer.Exit(ExitCode.INTERRUPTED)
    return replies[0]


def _said(outcomes: "Iterator[Reply | Failure]") -> "Iterator[Reply | Failure]":
    from audiocnn_cli.batch.outcome import Failure

    for outcome in outcomes:
        if isinstance(outcome, Failure):
            print_failure(outcome)
        yield outcome


def _remake(
    folder: Path, model: str | None, batch: BatchOptions, destination: Destination
) -> NoReturn:
    from audiocnn_cli.evaluation.remake import remake
    from audiocnn_cli.models.session import open_model
    from audiocnn_cli.output.results import write_result
    from audiocnn_cli.output.views.figures import RemakeView

    files = bundled_models() if model is None else [find_model(model)]
    models = (open_model(file.path) for file in files)
    result = remake(models, folder, ask=lambda question: _ask(question, batch))
    write_result(result, RemakeView(), destination)
    if all(figure.measured is None for figure in result.figures):
        raise typer.Exit(ExitCode.NOTHING_DONE)
    right = all(figure.agrees for figure in result.figures) and not result.failures
    raise typer.Exit(ExitCode.DONE if right else ExitCode.SOME_FAILED)
