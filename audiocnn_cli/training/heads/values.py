"""Train a regressor: a head with one linear output, fitted to a value for each clip."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.batch.run import Workers, run_batch
from audiocnn_cli.evaluation.cards import value_card
from audiocnn_cli.evaluation.figures import Protocol, value_figures
from audiocnn_cli.evaluation.regression import RegressionEvaluation, evaluate_values
from audiocnn_cli.evaluation.targets import Target
from audiocnn_cli.evaluation.value_scoring import ValuePredictions, ValueScoring
from audiocnn_cli.files import atomic_writer
from audiocnn_cli.models.contract import Golden, ModelContract
from audiocnn_cli.models.golden import golden_output
from audiocnn_cli.models.session import open_model
from audiocnn_cli.training.clips import VALUE, ClipSet, read_values
from audiocnn_cli.training.finish import NARROW_BAND, card_path
from audiocnn_cli.training.heads.choose import Chosen, HeadConfig, Progress, choose
from audiocnn_cli.training.heads.train import (
    curve_section,
    golden_s,
    head_contract,
    head_graph,
    head_protocol,
)
from audiocnn_cli.training.model_file import write_model


@dataclass(frozen=True, slots=True)
class TrainedRegressor:
    """The evaluation of a written model on clips that it was not fitted to, and how its head was chosen."""

    evaluation: RegressionEvaluation
    chosen: Chosen
    failures: tuple[Failure, ...]


def train_regressor(
    folder: Path, table: Path, output: Path, config: HeadConfig, *, force: bool, progress: Progress
) -> TrainedRegressor:
    """Fit a head to the values that the CSV file `table` gives recordings below `folder`, and write it.

    The output of a segment is linear, that of a clip the mean over its segments; the mean squared error is
    minimised, with the square of the weights as penalty (ridge regression). The split keeps groups on one
    side and is stratified by the value.

    Raises:
        UsageError: the table, the folds or the backbone can't be used.
        AudiocnnError: no recording can be used.
        ModelRefusedError: a backbone does not match its contract.
        OutputError: a file can't be written.
    """
    statement = config.statement
    chosen = choose(read_values(table, folder, grouping=statement.grouping), config, progress)
    draft = head_contract(
        chosen,
        statement,
        labels=(VALUE,),
        threshold=0.0,
        architecture=f"ridge regression on {chosen.model.contract.name}",
        golden=Golden(duration_s=golden_s(chosen), values=(0.0,)),
    )
    proto = head_graph(chosen, bits=statement.bits)
    evaluation = _finish(proto, draft, chosen, output, protocol=head_protocol(chosen, statement), force=force)
    return TrainedRegressor(evaluation, chosen, chosen.clips.failures)


def _finish(
    proto: Any, draft: ModelContract, chosen: Chosen, output: Path, *, protocol: Protocol, force: bool
) -> RegressionEvaluation:
    """Evaluate the exported graph, then write it with its figures, and its card."""
    targets = targets_of(chosen.clips)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "draft.onnx"
        write_model(proto, draft, path, force=False)
        model = open_model(path)
        evaluation = evaluate_values(
            targets,
            model,
            run=partial(_score, targets),
            folder=chosen.clips.folder,
            degradations=(NARROW_BAND,),
        )
        seconds = draft.golden.duration_s
        golden = Golden(duration_s=seconds, values=golden_output(model, duration_s=seconds))
    contract = replace(draft, golden=golden, figures=value_figures(evaluation, protocol=protocol))
    write_model(proto, contract, output, force=force)
    notes = curve_section(chosen.curve, "R2", "clips")
    with atomic_writer(card_path(output), "w", force=force) as stream:
        stream.write(value_card(contract, chosen.clips.values, notes=notes))
    return evaluation


def targets_of(clips: ClipSet) -> tuple[Target, ...]:
    """The clips with their values."""
    pairs = zip(clips.clips, clips.values, strict=True)
    return tuple(Target(clip.source, value) for clip, value in pairs)


def _score(targets: Sequence[Target], scoring: ValueScoring) -> ValuePredictions:
    sources: Iterator[Any] = (target.source for target in targets)
    return ValuePredictions.of(run_batch(sources, scoring, workers=Workers()))
