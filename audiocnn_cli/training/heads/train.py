"""Train a head on a backbone: one ONNX file from the backbone's input to calibrated probabilities."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnx

from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.evaluation.evaluate import Evaluation
from audiocnn_cli.evaluation.figures import Protocol
from audiocnn_cli.models.contract import EMBEDDING, OUTPUTS, Golden, ModelContract
from audiocnn_cli.models.signature import Activation, Kind
from audiocnn_cli.training.clips import read_clips
from audiocnn_cli.training.finish import GOLDEN_SEGMENTS, Statement, choose_threshold, finish, training_clips
from audiocnn_cli.training.heads.choose import Chosen, HeadConfig, Progress, choose
from audiocnn_cli.training.heads.fit import fit_heads, side_of
from audiocnn_cli.training.heads.graph import head_model, joined, standard_opset
from audiocnn_cli.training.heads.validate import CurvePoint, clip_means, test_outputs


@dataclass(frozen=True, slots=True)
class TrainedHead:
    """The evaluation of a written model on clips not trained on, and how its head was chosen."""

    evaluation: Evaluation
    chosen: Chosen
    failures: tuple[Failure, ...]


def train_head(
    folder: Path, output: Path, config: HeadConfig, *, force: bool, progress: Progress
) -> TrainedHead:
    """Fit a head to `folder` (one sub-folder a class), write the model to `output` and its card beside it.

    The file has an output for the head that is fitted to all clips, and one for the head of each fold; the
    figures are those of `evaluate`, which scores each clip by the head that was not fitted to its fold.

    Raises:
        UsageError: the folder, the grouping or the backbone can't be used, or a class has too few clips.
        AudiocnnError: a class has no usable clip.
        ModelRefusedError: a backbone does not match its contract.
        OutputError: a file can't be written.
    """
    statement = config.statement
    chosen = choose(read_clips(folder, grouping=statement.grouping), config, progress)
    labels = chosen.clips.labels
    draft = head_contract(
        chosen,
        statement,
        labels=labels,
        threshold=_threshold(chosen) if statement.threshold is None else statement.threshold,
        architecture=f"logistic regression on {chosen.model.contract.name}",
        golden=Golden(duration_s=golden_s(chosen), probabilities=(0.0,) * len(labels)),
    )
    evaluation = finish(
        head_graph(chosen, bits=statement.bits),
        draft,
        folder,
        output,
        protocol=head_protocol(chosen, statement),
        notes=curve_section(chosen.curve, "accuracy over clips", "clips a class"),
        force=force,
    )
    return TrainedHead(evaluation, chosen, chosen.clips.failures)


def _threshold(chosen: Chosen) -> float:
    outputs = test_outputs(chosen.embedded, chosen.splits, chosen.validated.heads)
    means = clip_means(outputs, chosen.validated.temperature)
    return choose_threshold(means.max(axis=1).tolist())


def head_graph(chosen: Chosen, *, bits: int) -> Any:
    """The `onnx.ModelProto` from the backbone's input to the outputs of a head.

    One output is of the head that is fitted to all clips that are not kept apart, one of those of the folds.
    """
    clips, validated, model = chosen.clips, chosen.validated, chosen.model
    kind = Kind.REGRESSION if clips.values else Kind.CLASSIFICATION
    (fitted,) = fit_heads(side_of(chosen.embedded, chosen.used), clips, [validated.strength])
    whole, *members = (each.divided(validated.temperature) for each in (fitted, *validated.heads))
    backbone = onnx.load(model.path)
    opset = standard_opset(backbone, where=str(model.path))
    return joined(backbone, model, head_model(whole, members, kind=kind, bits=bits, opset=opset))


def golden_s(chosen: Chosen) -> float:
    """The length of the golden example in seconds."""
    return GOLDEN_SEGMENTS * chosen.model.contract.segment_s


def head_contract(
    chosen: Chosen,
    statement: Statement,
    *,
    labels: tuple[str, ...],
    threshold: float,
    architecture: str,
    golden: Golden,
) -> ModelContract:
    """The contract without what needs the written model: the golden example and the figures."""
    own = chosen.model.contract
    kind = Kind.REGRESSION if chosen.clips.values else Kind.CLASSIFICATION
    # A backbone from elsewhere has a binding of its input; the outputs are those of the head.
    graph = own.graph and replace(
        own.graph, output=OUTPUTS[kind][0], embedding=EMBEDDING, activation=Activation.NONE
    )
    return ModelContract(
        name=statement.name,
        kind=kind,
        task=statement.task,
        sound_type=statement.sound_type,
        labels=labels,
        features=own.features,
        segment=own.segment,
        input_shape=own.input_shape,
        activation=Activation.SOFTMAX if kind is Kind.CLASSIFICATION else Activation.NONE,
        threshold=threshold,
        data=statement.data,
        golden=golden,
        architecture=architecture,
        command=statement.command,
        members=len(chosen.splits),
        training_clips=training_clips(chosen.clips, chosen.splits, chosen.apart.tolist()),
        dimensions=chosen.embedded.dimensions,
        notices=own.notices,
        graph=graph,
    )


def head_protocol(chosen: Chosen, statement: Statement) -> Protocol:
    """How the figures are measured, for the card."""
    clips = sum(len(split.test) for split in chosen.splits)
    return Protocol(
        f"{len(chosen.splits)} folds {statement.grouping}, no group in two; each of {clips} clips scored by"
        " the head not fitted to its fold",
        f"clips that match `{statement.keep_apart}`: no head was fitted to them",
    )


def curve_section(curve: tuple[CurvePoint, ...], score: str, unit: str) -> str:
    """The section of a card on what more clips may bring."""
    rows = "".join(f"| {each.clips} | {each.score:.3f} |\n" for each in curve)
    return f"""## Learning curve

Of heads fitted to so many {unit} of the training folds, drawn at random (mean of three draws), on the same
test clips.

| {unit} | {score} |
|---:|---:|
{rows}
"""
