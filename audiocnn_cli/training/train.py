"""Train a model on a folder of classes, and evaluate it on clips that it was not trained on."""

import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import astuple, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.evaluation.degrade import DEGRADATIONS
from audiocnn_cli.evaluation.evaluate import Evaluation, evaluate
from audiocnn_cli.evaluation.figures import Protocol, card, measured_figures
from audiocnn_cli.evaluation.labelled import Grouping
from audiocnn_cli.files import atomic_writer
from audiocnn_cli.models.contract import SEEN_BY_ALL, DataStatement, Golden, ModelContract
from audiocnn_cli.models.golden import golden_output
from audiocnn_cli.models.session import open_model
from audiocnn_cli.training.dataset import Dataset, read_dataset
from audiocnn_cli.training.export import export_graph, store_weights, write_model
from audiocnn_cli.training.fit import Epoch, FitConfig
from audiocnn_cli.training.members import Member, calibrate, train_members
from audiocnn_cli.training.recipes import Recipe
from audiocnn_cli.training.split import Split, cross_validation, holdout, kept_apart

_GOLDEN_SEGMENTS = 2.7
# Telephone bandwidth lowers the accuracy of many networks, so that every card states the figure.
_NARROW_BAND = next(each for each in DEGRADATIONS if each.name == "8khz")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """The options of a training.

    `folds` of None holds out one fifth of the groups for the test and one for validation; with K folds the
    model is the mean of K members, each trained without one fold. A member is the mean of `networks`
    networks. No network is trained on clips whose path matches `keep_apart`. `threshold` of None is chosen
    by `calibrate`. `bits` is 32, 16 or 8; `command` is the command line, for the card.
    """

    recipe: Recipe
    fit: FitConfig
    grouping: Grouping
    folds: int | None
    networks: int
    keep_apart: str | None
    threshold: float | None
    bits: int
    name: str
    task: str
    sound_type: str | None
    data: DataStatement
    command: str
    cache: Path


@dataclass(frozen=True, slots=True)
class Trained:
    """The evaluation of a written model on clips not trained on, and the history of each network."""

    evaluation: Evaluation
    histories: tuple[tuple[Epoch, ...], ...]
    failures: tuple[Failure, ...]


def train_folder(
    folder: Path, output: Path, config: TrainingConfig, *, force: bool, on_epoch: Callable[[int, Epoch], None]
) -> Trained:
    """Train on `folder` (one sub-folder a class), write the model to `output` and its card beside it.

    The clips are split by group; the figures are those of `evaluate`, which scores each clip by a network
    that was not trained on it. `on_epoch` is called with the index of the network and its epoch.

    Raises:
        UsageError: the folder or the grouping can't be used.
        AudiocnnError: a class has no usable clip, or the training diverged.
        OutputError: a file can't be written.
    """
    recipe, seed = config.recipe, config.fit.seed
    dataset = read_dataset(folder, recipe=recipe, grouping=config.grouping, cache=config.cache / "features")
    apart = kept_apart(dataset, config.keep_apart, folder=folder)
    splits: tuple[Split, ...]
    if config.folds is None:
        splits = (holdout(dataset, seed=seed, apart=apart),)
    else:
        splits = cross_validation(dataset, config.folds, seed=seed, apart=apart)
    members = train_members(
        dataset,
        splits,
        recipe,
        config.fit,
        networks=config.networks,
        checkpoints=config.cache / "checkpoints",
        on_epoch=on_epoch,
    )
    temperature, calibrated = calibrate(members)
    threshold = calibrated if config.threshold is None else config.threshold
    proto = export_graph(
        [member.network for member in members], temperature=temperature, input_shape=recipe.input_shape
    )
    store_weights(proto, bits=config.bits)
    draft = _draft(config, dataset, members, threshold, set(apart.tolist()))
    evaluation = _finish(proto, draft, folder, output, protocol=_protocol(splits, config), force=force)
    with suppress(OSError):
        for checkpoint in chain.from_iterable(member.checkpoints for member in members):
            checkpoint.unlink(missing_ok=True)
    histories = chain.from_iterable(member.histories for member in members)
    return Trained(evaluation, tuple(histories), dataset.failures)


def _draft(
    config: TrainingConfig, dataset: Dataset, members: tuple[Member, ...], threshold: float, apart: set[int]
) -> ModelContract:
    """The contract without what needs the written model: the golden example and the figures."""
    recipe = config.recipe
    duration_s = _GOLDEN_SEGMENTS * recipe.segment.length / recipe.features.sample_rate
    return ModelContract(
        name=config.name,
        task=config.task,
        sound_type=config.sound_type,
        labels=dataset.labels,
        features=recipe.features,
        segment=recipe.segment,
        input_shape=recipe.input_shape,
        data=config.data,
        golden=Golden(duration_s=duration_s, probabilities=(0.0,) * len(dataset.labels)),
        architecture=recipe.architecture.name,
        command=config.command,
        threshold=threshold,
        members=len(members),
        training_clips=_training_clips(dataset, members, apart),
    )


def _training_clips(dataset: Dataset, members: tuple[Member, ...], apart: set[int]) -> dict[str, int]:
    """The member that was not trained on each recording; recordings that none was trained on are left out."""
    untrained = {int(clip): i for i, member in enumerate(members) for clip in member.split.test}
    left_out = apart if len(members) > 1 else untrained.keys()
    trained = ((i, clip.content) for i, clip in enumerate(dataset.clips) if i not in left_out)
    return dict(sorted((content, untrained.get(i, SEEN_BY_ALL)) for i, content in trained))


def _protocol(splits: tuple[Split, ...], config: TrainingConfig) -> Protocol:
    apart = f"clips that match `{config.keep_apart}`: no network was trained on them"
    if config.folds is not None:
        clips = sum(len(split.test) for split in splits)
        networks = "network" if config.networks == 1 else f"{config.networks} networks"
        sides = (
            f"{config.folds} folds {config.grouping}, no group in two; each of {clips} clips scored by the"
            f" {networks} not trained on its fold"
        )
    elif config.keep_apart is not None:
        sides = apart
    else:
        train, validation, test = map(len, astuple(splits[0]))
        sides = (
            f"one split {config.grouping}, no group on two sides; {train} clips to train, {validation} to"
            f" stop and calibrate, {test} to test"
        )
    return Protocol(sides, apart)


def _finish(
    proto: Any, draft: ModelContract, folder: Path, output: Path, *, protocol: Protocol, force: bool
) -> Evaluation:
    """Evaluate the exported graph, then write it with its figures, and its card."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "draft.onnx"
        write_model(proto, draft, path, force=False)
        model = open_model(path)
        evaluation = evaluate(folder, model, degradations=(_NARROW_BAND,))
        seconds = draft.golden.duration_s
        golden = Golden(duration_s=seconds, probabilities=golden_output(model, duration_s=seconds))
    contract = replace(draft, golden=golden, figures=measured_figures(evaluation, protocol=protocol))
    write_model(proto, contract, output, force=force)
    with atomic_writer(card_path(output), "w", force=force) as stream:
        stream.write(card(contract, evaluation.clips))
    return evaluation


def card_path(output: Path) -> Path:
    """The path of the card of the model at `output`."""
    return output.with_suffix(".md")
