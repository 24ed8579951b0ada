"""From a folder of classes to a model file with honest figures inside."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.evaluation.evaluate import Evaluation, evaluate
from audiocnn_cli.evaluation.labelled import Grouping
from audiocnn_cli.features.config import FeatureConfig
from audiocnn_cli.models.contract import (
    SEEN_BY_ALL,
    DataStatement,
    Figure,
    Golden,
    ModelContract,
    SegmentConfig,
)
from audiocnn_cli.models.golden import golden_probabilities
from audiocnn_cli.models.session import open_model
from audiocnn_cli.output.files import atomic_writer
from audiocnn_cli.shapes.architectures import architecture as named_architecture
from audiocnn_cli.training.card import card
from audiocnn_cli.training.dataset import Dataset, read_dataset
from audiocnn_cli.training.export import export_graph, write_model
from audiocnn_cli.training.fit import FitConfig, Side, fit, seed_everything
from audiocnn_cli.training.networks import build_network
from audiocnn_cli.training.split import Split, split_clips

# The seeds' features: 3 s at 22050 Hz give 130 frames of 13 coefficients.
FEATURES = FeatureConfig()
SEGMENT = SegmentConfig(length=3 * FEATURES.sample_rate, hop=3 * FEATURES.sample_rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """What to train, on what, and what to say of it."""

    architecture: str
    fit: FitConfig
    grouping: Grouping
    name: str
    task: str
    data: DataStatement
    command: str


@dataclass(frozen=True, slots=True)
class Trained:
    """A model that was written, and its evaluation on the test side."""

    path: Path
    contract: ModelContract
    evaluation: Evaluation
    failures: tuple[Failure, ...]


def train(folder: Path, output: Path, config: TrainingConfig, *, force: bool) -> Trained:
    """Train on `folder` (one sub-folder a class), write the model to `output` and its card beside it.

    The clips are split by group; the figures are those of `evaluate` on the clips that were neither
    trained on nor used to stop.

    Raises:
        UsageError: the folder or the grouping can't be used.
        AudiocnnError: there is nothing to train on, or the training failed.
        OutputError: a file can't be written.
    """
    architecture = named_architecture(config.architecture)
    dataset = read_dataset(folder, features=FEATURES, segment=SEGMENT, grouping=config.grouping)
    split = split_clips(dataset, seed=config.fit.seed)
    seed_everything(config.fit.seed)
    side = _side(dataset, split.train)
    network = build_network(architecture, side.tensors, classes=len(dataset.labels))
    fit(network, side, _side(dataset, split.validation), config.fit)
    draft = _draft(config, dataset, split, architecture.input_shape)
    proto = export_graph(network, input_shape=architecture.input_shape)
    contract, evaluation = _finish(
        proto,
        draft,
        folder,
        output,
        protocol=_protocol(split, config.grouping),
        force=force,
    )
    return Trained(output, contract, evaluation, dataset.failures)


def _side(dataset: Dataset, clips: Any) -> Side:
    """The segments of these clips."""
    import numpy as np

    chosen = np.isin(dataset.clip_of, clips)
    return Side(dataset.tensors[chosen], dataset.clip_labels[dataset.clip_of[chosen]])


def _draft(
    config: TrainingConfig, dataset: Dataset, split: Split, input_shape: tuple[int, ...]
) -> ModelContract:
    """The contract without what only the written model can tell: golden example and figures."""
    seen = sorted(
        dataset.clips[c].content for side in (split.train, split.validation) for c in side
    )
    return ModelContract(
        name=config.name,
        task=config.task,
        labels=dataset.labels,
        features=FEATURES,
        segment=SEGMENT,
        input_shape=input_shape,
        data=config.data,
        golden=Golden(
            duration_s=2.7 * SEGMENT.length / FEATURES.sample_rate,
            probabilities=(0.0,) * len(dataset.labels),
        ),
        architecture=config.architecture,
        command=config.command,
        training_clips=dict.fromkeys(seen, SEEN_BY_ALL),
    )


def _protocol(split: Split, grouping: Grouping) -> str:
    sides = f"{len(split.train)} clips to train, {len(split.validation)} to stop, {len(split.test)} to test"
    return f"one split {grouping}, no group on two sides; {sides}"


def _finish(
    proto: Any,
    draft: ModelContract,
    folder: Path,
    output: Path,
    *,
    protocol: str,
    force: bool,
) -> tuple[ModelContract, Evaluation]:
    """Measure the model as it will be used, then write it with what was measured, and its card."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "draft.onnx"
        write_model(proto, draft, path, force=False)
        model = open_model(path)
        evaluation = evaluate(folder, model)
        golden = replace(
            draft.golden,
            probabilities=golden_probabilities(model, duration_s=draft.golden.duration_s),
        )
    contract = replace(draft, golden=golden, figures=_figures(evaluation, protocol))
    write_model(proto, contract, output, force=force)
    with atomic_writer(card_path(output), "w", force=force) as stream:
        stream.write(card(contract, evaluation))
    return contract, evaluation


def card_path(output: Path) -> Path:
    """Where the card of the model at `output` is written."""
    return output.with_suffix(".md")


def _figures(evaluation: Evaluation, protocol: str) -> tuple[Figure, ...]:
    measured = (("clips", evaluation.clips), ("segments", evaluation.segments))
    return tuple(
        Figure(
            name=f"accuracy over {unit}",
            value=scores.accuracy,
            interval_95=scores.interval_95,
            n=scores.n,
            protocol=protocol,
        )
        for unit, scores in measured
    )
