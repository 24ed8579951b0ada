"""A run of `audiocnn evaluate`: the batch, the figures, and the files beside them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import typer

from audiocnn_cli.batch.inputs import Inputs
from audiocnn_cli.batch.outcome import Counts, Failure
from audiocnn_cli.batch.task import DataclassCodec
from audiocnn_cli.commands.batch import BatchOptions, Job, run_job
from audiocnn_cli.errors import ExitCode, UsageError
from audiocnn_cli.evaluation.degrade import DEGRADATIONS
from audiocnn_cli.evaluation.evaluate import Evaluation, evaluate, require_kind
from audiocnn_cli.evaluation.figures import check_cards
from audiocnn_cli.evaluation.labelled import recordings
from audiocnn_cli.evaluation.regression import RegressionEvaluation, ValueClip, evaluate_values
from audiocnn_cli.evaluation.scoring import ClipResult, Predictions, ScoringTask
from audiocnn_cli.evaluation.targets import read_targets
from audiocnn_cli.evaluation.value_scoring import ValuePredictions, ValueResult
from audiocnn_cli.models.registry import bundled_models, find_model
from audiocnn_cli.models.session import Model, open_model
from audiocnn_cli.models.signature import Kind
from audiocnn_cli.output.destination import Destination, Format
from audiocnn_cli.output.plots.evaluation import plot_evaluation, plot_values
from audiocnn_cli.output.plots.figure import check_picture
from audiocnn_cli.output.report.template import check_page
from audiocnn_cli.output.results import OutcomeWriter, View, write_outcomes, write_result
from audiocnn_cli.output.terminal.console import log, print_failure
from audiocnn_cli.output.views import evaluated_clips, regression
from audiocnn_cli.output.views.evaluation import CardCheckView, EvaluationView, summary

R = TypeVar("R", ClipResult, ValueResult)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRun:
    """The options of a run; `rows` is what a row of CSV or a line of JSONL is, a clip or a class."""

    folder: Path
    model: Path
    targets: Path | None
    include_training: bool
    robustness: bool
    batch: BatchOptions
    destination: Destination
    rows: Literal["clips", "classes"]
    page: Path | None
    plot: Path | None
    force: bool

    def exit_code(self) -> ExitCode:
        """Score the clips, and write the figures, the plot and the page.

        Raises:
            UsageError, AudiocnnError: as `evaluate` and `evaluate_values`.
            OutputError: a file can't be written.
        """
        if self.page is not None:
            check_page(self.page, force=self.force)
        if self.plot is not None:
            check_picture(self.plot, force=self.force)
        if self.targets is not None and self.rows == "classes":
            raise UsageError("--rows classes: a regression model has no classes")
        model = open_model(self.model)
        result = self._classes(model) if self.targets is None else self._values(model, self.targets)
        if self.plot is not None and isinstance(result, Evaluation):
            plot_evaluation(result, self.plot, force=self.force)
        elif self.plot is not None and isinstance(result, RegressionEvaluation):
            plot_values(result, self.plot, force=self.force)
        if self.page is not None:
            from audiocnn_cli.output.report.errors import write_page  # the encoder of MP3, for pages only

            write_page(result, self.folder, self.page, force=self.force)
        return ExitCode.SOME_FAILED if result.failures else ExitCode.DONE

    def _classes(self, model: Model) -> Evaluation:
        """Evaluate a classifier, and write its figures, or its clips or classes."""
        by_clip = self._listed and self.rows == "clips"
        with ExitStack() as stack:
            write = self._writer(stack, evaluated_clips.ClipView(model.contract.labels), needed=by_clip)
            result = evaluate(
                self.folder,
                model,
                include_training=self.include_training,
                degradations=DEGRADATIONS if self.robustness else (),
                run=lambda scoring: Predictions.of(
                    score(scoring, ClipResult, self.batch, lambda: recordings(scoring.folder), write=write)
                ),
            )
        if self._listed and not by_clip:
            classes = evaluated_clips.class_results(result)
            write_outcomes(classes, evaluated_clips.ClassView(), self.destination)
        elif not self._listed:
            write_result(result, EvaluationView(), self.destination)
        if self._listed:
            log.info("%s", summary(result))
        return result

    def _values(self, model: Model, file: Path) -> RegressionEvaluation:
        """Evaluate a regression model, and write its figures or its clips."""
        require_kind(model, Kind.REGRESSION)
        targets = read_targets(file, self.folder, quantity=model.contract.labels[0])
        by_path = {target.source.path: target for target in targets}
        with ExitStack() as stack:
            write = self._writer(
                stack,
                regression.ValueView(),
                needed=self._listed,
                item=lambda found: ValueClip(by_path[found.source.path], found),
            )
            result = evaluate_values(
                targets,
                model,
                folder=self.folder,
                include_training=self.include_training,
                degradations=DEGRADATIONS if self.robustness else (),
                run=lambda scoring: ValuePredictions.of(
                    score(
                        scoring,
                        ValueResult,
                        self.batch,
                        lambda: iter([target.source for target in targets]),
                        write=write,
                    )
                ),
            )
        if self._listed:
            log.info("%s", regression.summary(result))
        else:
            write_result(result, regression.RegressionView(), self.destination)
        return result

    @property
    def _listed(self) -> bool:
        """Whether rows or lines are written instead of the figures."""
        return self.destination.format in (Format.CSV, Format.JSONL)

    def _writer(
        self,
        stack: ExitStack,
        view: View[Any],
        *,
        needed: bool,
        item: Callable[[Any], Any] = lambda prediction: prediction,
    ) -> "Write | None":
        """Writes each outcome as it comes, if that is `needed`: its prediction as `item` makes it."""
        if not needed:
            return None
        stream = stack.enter_context(self.destination.open())
        writer: OutcomeWriter[Any] = OutcomeWriter(stream, self.destination, view)

        def write(outcome: ClipResult | ValueResult | Failure) -> None:
            if isinstance(outcome, Failure):
                writer.add(outcome)
            elif outcome.prediction is not None:
                writer.add(item(outcome.prediction))

        return Write(write, in_order=self.destination.format is not Format.JSONL)


@dataclass(frozen=True, slots=True)
class Write:
    """Writes an outcome; with `in_order` they come in the order of the inputs."""

    outcome: Callable[[ClipResult | ValueResult | Failure], None]
    in_order: bool


def score(
    task: ScoringTask[R],
    result: type[R],
    batch: BatchOptions,
    find: Callable[[], Inputs],
    *,
    write: Write | None = None,
) -> Sequence[R | Failure]:
    """Run a task that gives `result`s over all clips; after Ctrl-C the process ends, without figures."""
    job: Job[R] = Job(
        command="evaluate",
        task=task,
        # A recording is identified by its own path; degradations are functions, and named in the options.
        recipe=replace(task, folder=Path(), degradations=()),
        options={"degradations": ", ".join(each.name for each in task.degradations)},
        codec=DataclassCodec(result),
        audio_s=lambda done: done.audio_s,
        in_order=write is None or write.in_order,
        find=find,
    )
    collected: list[R | Failure] = []

    def collect(outcomes: Iterator[R | Failure]) -> Counts:
        for outcome in outcomes:
            if isinstance(outcome, Failure):
                print_failure(outcome)
            if write is not None:
                write.outcome(outcome)
            collected.append(outcome)
        failed = sum(isinstance(each, Failure) for each in collected)
        return Counts(done=len(collected) - failed, failed=failed)

    if run_job(job, batch, collect) is ExitCode.INTERRUPTED:
        resume = "; --resume continues" if batch.journal else ""
        log.warning("interrupted before all clips were scored, so there are no figures%s", resume)
        raise typer.Exit(ExitCode.INTERRUPTED)
    return collected


def check_all_cards(
    folder: Path, model: str | None, batch: BatchOptions, destination: Destination
) -> ExitCode:
    """Measure the figures of the cards again and write both."""
    files = bundled_models() if model is None else [find_model(model)]
    models = (open_model(file.path) for file in files)
    result = check_cards(
        models,
        folder,
        run=lambda scoring: Predictions.of(
            score(scoring, ClipResult, batch, lambda: recordings(scoring.folder))
        ),
    )
    write_result(result, CardCheckView(), destination)
    if all(figure.measured is None for figure in result.figures):
        return ExitCode.NOTHING_DONE
    agree = all(figure.agrees for figure in result.figures) and not result.failures
    return ExitCode.DONE if agree else ExitCode.SOME_FAILED
