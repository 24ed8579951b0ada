"""From the clips of a training to a validated head: folds, embeddings, the backbone, the regularisation."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Protocol

import numpy as np

from audiocnn_cli.audio.load import WHOLE
from audiocnn_cli.batch.run import Workers
from audiocnn_cli.embeddings.choice import choose_backbone
from audiocnn_cli.errors import UsageError
from audiocnn_cli.models.registry import find_model
from audiocnn_cli.models.session import Model, open_model
from audiocnn_cli.training.clips import ClipSet
from audiocnn_cli.training.finish import Statement
from audiocnn_cli.training.heads.embed import EmbeddedClips, embed_clips
from audiocnn_cli.training.heads.store import EmbeddingStore, open_store
from audiocnn_cli.training.heads.validate import CurvePoint, Validated, learning_curve, screen, validate
from audiocnn_cli.training.split import Clips, Split, cross_validation, kept_apart

_log = logging.getLogger("audiocnn")

BACKBONES = ("music", "sound", "speech")
_MOST_FOLDS = 5
_FEWEST_CLIPS = 3
# From this imbalance on a warning states that all classes weigh the same.
_IMBALANCE = 10


class Progress(Protocol):
    """Takes the progress of a training."""

    def embedded(self, done: int, total: int) -> None:
        """So many of the clips have been embedded."""

    def stage(self, text: str) -> None:
        """A part of the work begins, or has a result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadConfig:
    """The options of the training of a head: `backbones` to choose from are names or files of models."""

    statement: Statement
    backbones: tuple[str, ...] = BACKBONES


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A backbone and how a head on it was validated.

    Args:
        clips: those that could be embedded.
        apart: of them, those that no head is fitted to.
        splits: a fold each.
        backbone: its name as it was given.
        model: the backbone.
        embedded: the embeddings of the clips.
        validated: the heads of the folds.
        scores: the accuracy (or R2) of each backbone tried, all with the same strength and without copies;
            empty for one.
        curve: the scores with fewer clips.
    """

    clips: ClipSet
    apart: Clips
    splits: tuple[Split, ...]
    backbone: str
    model: Model
    embedded: EmbeddedClips
    validated: Validated
    scores: dict[str, float]
    curve: tuple[CurvePoint, ...]

    @property
    def used(self) -> Clips:
        """The clips that are not kept apart."""
        return np.setdiff1d(np.arange(len(self.clips)), self.apart)


def choose(found: ClipSet, config: HeadConfig, progress: Progress) -> Chosen:
    """Embed the clips that were found, and choose the backbone and the strength by cross-validation.

    Raises:
        UsageError: the folds or the backbone can't be used, or a class has too few clips.
        AudiocnnError: a class has no usable clip.
        ModelRefusedError: a backbone does not match its contract.
        OutputError: the embeddings can't be stored.
    """
    statement = config.statement
    found.require_clips()
    _splits(found, statement)  # bad folds are reported before the clips are embedded
    models = open_backbones(config.backbones)
    score, name = "R2" if found.values else "accuracy", next(iter(models))
    scores: dict[str, float] = {}
    with open_store(statement.cache / "embeddings.sqlite") as store:
        if len(models) > 1:
            found, scores = _compare_backbones(found, models, statement, store, progress)
            name, reason = _best(found, scores)
            listed = ", ".join(f"{each} {value:.3f}" for each, value in scores.items())
            progress.stage(f"backbone {name}{reason}, by cross-validated {score}: {listed}")
        path = models[name].path
        clips, embedded = embed_clips(found, [path], store, copies=True, report=progress.embedded)
    clips.warn_of_duplicates()
    _warn_of_imbalance(clips)
    apart, splits = _splits(clips, statement)
    numbers = embedded[path]
    validated = validate(clips, numbers, splits)
    progress.stage(f"{name}: cross-validated {score} {validated.score:.3f}, C = {validated.strength:g}")
    curve = learning_curve(clips, numbers, splits, validated, seed=statement.seed)
    progress.stage(describe(curve, clips))
    return Chosen(
        clips=clips,
        apart=apart,
        splits=splits,
        backbone=name,
        model=models[name],
        embedded=numbers,
        validated=validated,
        scores=scores,
        curve=curve,
    )


def _best(clips: ClipSet, scores: dict[str, float]) -> tuple[str, str]:
    """The name of the backbone with the highest score, and a reason if it is another.

    Accuracies within one standard error of the highest do not differ reliably. Of these backbones
    the one for the type of sound is taken. Source: Hastie, Tibshirani and Friedman, The Elements of
    Statistical Learning, section 7.10 (one standard error).
    """
    best, highest = max(scores.items(), key=lambda item: item[1])
    if clips.values:
        return best, ""
    error = sqrt(highest * (1 - highest) / len(clips))
    close = [name for name, value in scores.items() if value >= highest - error]
    if len(close) < 2:
        return best, ""
    sources = [clip.source for clip in clips.clips]
    typed = choose_backbone(sources, excerpt=WHOLE, workers=Workers()).model.name
    if typed == best or typed not in close:
        return best, ""
    return typed, f" (for this type of sound; within one standard error of {best})"


def open_backbones(names: Sequence[str]) -> dict[str, Model]:
    """The models that can be backbones, by name.

    Raises:
        ModelRefusedError: there is no such model, or it does not match its contract.
        UsageError: it has no embedding.
    """
    models = {name: open_model(find_model(name).path) for name in names}
    for name, model in models.items():
        if model.embedding_output is None:
            raise UsageError(
                f"`backbone={name}`: has no embedding to fit a head on; use {', '.join(BACKBONES)}, or a"
                " model added with `audiocnn models add --embedding OUTPUT`"
            )
    return models


def _splits(clips: ClipSet, statement: Statement) -> tuple[Clips, tuple[Split, ...]]:
    """The clips kept apart, and the folds of the others."""
    apart = kept_apart(clips, statement.keep_apart, folder=clips.folder)
    folds = statement.folds or default_folds(clips, apart)
    return apart, cross_validation(clips, folds, seed=statement.seed, apart=apart)


def default_folds(clips: ClipSet, apart: Clips) -> int:
    """As many folds as the class with the fewest groups has groups, at most five.

    Raises:
        UsageError: a class has fewer than three clips, or all of its clips are in one group.
    """
    used = np.setdiff1d(np.arange(len(clips)), apart)
    classes = [(clips.clips[i].label, clips.groups[i]) for i in used]
    counts = Counter(label for label, _ in classes)
    groups = Counter(label for label, _ in set(classes))
    for label in clips.labels:
        where = "with a value" if clips.values else f"of the class {label}"
        if counts[label] < _FEWEST_CLIPS:
            raise UsageError(
                f"{clips.folder}: has {counts[label]} clip{'s' * (counts[label] != 1)} {where} to fit and to"
                f" test; give {_FEWEST_CLIPS} or more"
            )
        if groups[label] < 2:
            raise UsageError(
                f"{clips.folder}: `group_by` puts all clips {where} in one group, so none of them is left to"
                " test; use smaller groups"
            )
    return min(_MOST_FOLDS, *(groups[label] for label in clips.labels))


def _warn_of_imbalance(clips: ClipSet) -> None:
    counts = Counter(clip.label for clip in clips.clips).most_common()
    (most, many), (least, few) = counts[0], counts[-1]
    if many >= _IMBALANCE * few:
        _log.warning(
            "the class %s has %d clips and %s has %d: all classes weigh the same in the fit, but the accuracy"
            " is mostly that of the large one; read the recall of each class",
            most,
            many,
            least,
            few,
        )


def _compare_backbones(
    found: ClipSet, models: dict[str, Model], statement: Statement, store: EmbeddingStore, progress: Progress
) -> tuple[ClipSet, dict[str, float]]:
    """The clips that could be embedded, and the score of each backbone, the best one first.

    The clips are embedded without copies, which would take several times as long. Of equal scores the one
    with the lower loss is first.
    """
    paths = [model.path for model in models.values()]
    clips, embedded = embed_clips(found, paths, store, copies=False, report=progress.embedded)
    _, splits = _splits(clips, statement)
    tried = {name: screen(clips, embedded[model.path], splits) for name, model in models.items()}
    order = sorted(tried, key=lambda name: (-tried[name].score, tried[name].loss))
    return clips, {name: tried[name].score for name in order}


def describe(curve: Sequence[CurvePoint], clips: ClipSet) -> str:
    """What more clips may bring, in a sentence."""
    score, of = ("R2", "clips") if clips.values else ("accuracy", "clips a class")
    points = ", ".join(f"{each.score:.3f} with {each.clips}" for each in curve)
    if len(curve) < 2:
        return f"{score} {points} {of}: too few for a learning curve"
    more = curve[-1].clips - curve[-2].clips
    gain = round(curve[-1].score, 3) - round(curve[-2].score, 3)
    return f"{score} {points} {of}: the last {more} brought {gain:+.3f}"
