"""Train a model on a folder of classes, and evaluate it on clips that it was not trained on."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import astuple, dataclass
from itertools import chain
from pathlib import Path

from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.evaluation.evaluate import Evaluation
from audiocnn_cli.evaluation.figures import Protocol
from audiocnn_cli.models.contract import Golden, ModelContract
from audiocnn_cli.training.dataset import Dataset, read_dataset
from audiocnn_cli.training.export import export_graph
from audiocnn_cli.training.finish import GOLDEN_SEGMENTS, Statement, finish, training_clips
from audiocnn_cli.training.fit import Epoch, FitConfig
from audiocnn_cli.training.members import Member, calibrate, train_members
from audiocnn_cli.training.model_file import store_weights
from audiocnn_cli.training.recipes import Recipe
from audiocnn_cli.training.split import Split, cross_validation, holdout, kept_apart


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """The options of the training of networks.

    Without `statement.folds` one fifth of the groups is held out for the test and one for validation; with K
    folds the model is the mean of K members, each trained without one fold. A member is the mean of
    `networks` networks.
    """

    statement: Statement
    recipe: Recipe
    fit: FitConfig
    networks: int


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
    recipe, statement, seed = config.recipe, config.statement, config.fit.seed
    cache = statement.cache
    dataset = read_dataset(folder, recipe=recipe, grouping=statement.grouping, cache=cache / "features")
    clips = dataset.clip_set
    apart = kept_apart(clips, statement.keep_apart, folder=folder)
    splits: tuple[Split, ...]
    if statement.folds is None:
        splits = (holdout(clips, seed=seed, apart=apart),)
    else:
        splits = cross_validation(clips, statement.folds, seed=seed, apart=apart)
    members = train_members(
        dataset,
        splits,
        recipe,
        config.fit,
        networks=config.networks,
        checkpoints=cache / "checkpoints",
        on_epoch=on_epoch,
    )
    temperature, calibrated = calibrate(members)
    threshold = calibrated if statement.threshold is None else statement.threshold
    proto = export_graph(
        [member.network for member in members], temperature=temperature, input_shape=recipe.input_shape
    )
    store_weights(proto, bits=statement.bits)
    draft = _draft(config, dataset, members, threshold, set(apart.tolist()))
    evaluation = finish(proto, draft, folder, output, protocol=_protocol(splits, config), force=force)
    with suppress(OSError):
        for checkpoint in chain.from_iterable(member.checkpoints for member in members):
            checkpoint.unlink(missing_ok=True)
    histories = chain.from_iterable(member.histories for member in members)
    return Trained(evaluation, tuple(histories), clips.failures)


def _draft(
    config: TrainingConfig, dataset: Dataset, members: tuple[Member, ...], threshold: float, apart: set[int]
) -> ModelContract:
    """The contract without what needs the written model: the golden example and the figures."""
    recipe, statement = config.recipe, config.statement
    duration_s = GOLDEN_SEGMENTS * recipe.segment.length / recipe.features.sample_rate
    return ModelContract(
        name=statement.name,
        task=statement.task,
        sound_type=statement.sound_type,
        labels=dataset.labels,
        features=recipe.features,
        segment=recipe.segment,
        input_shape=recipe.input_shape,
        data=statement.data,
        golden=Golden(duration_s=duration_s, probabilities=(0.0,) * len(dataset.labels)),
        architecture=recipe.architecture.name,
        command=statement.command,
        threshold=threshold,
        members=len(members),
        training_clips=training_clips(dataset.clip_set, [member.split for member in members], apart),
    )


def _protocol(splits: tuple[Split, ...], config: TrainingConfig) -> Protocol:
    statement = config.statement
    apart = f"clips that match `{statement.keep_apart}`: no network was trained on them"
    if statement.folds is not None:
        clips = sum(len(split.test) for split in splits)
        networks = "network" if config.networks == 1 else f"{config.networks} networks"
        sides = (
            f"{statement.folds} folds {statement.grouping}, no group in two; each of {clips} clips scored by"
            f" the {networks} not trained on its fold"
        )
    elif statement.keep_apart is not None:
        sides = apart
    else:
        train, validation, test = map(len, astuple(splits[0]))
        sides = (
            f"one split {statement.grouping}, no group on two sides; {train} clips to train, {validation} to"
            f" stop and calibrate, {test} to test"
        )
    return Protocol(sides, apart)
