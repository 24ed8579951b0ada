"""What trainings of networks and of heads have in common: statement, threshold, figures and files."""

import logging
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from audiocnn_cli.evaluation.cards import card, coverage_section
from audiocnn_cli.evaluation.degrade import DEGRADATIONS
from audiocnn_cli.evaluation.evaluate import Evaluation, evaluate
from audiocnn_cli.evaluation.figures import Protocol, measured_figures
from audiocnn_cli.evaluation.labelled import Grouping
from audiocnn_cli.files import atomic_writer
from audiocnn_cli.models.contract import SEEN_BY_ALL, DataStatement, Golden, ModelContract
from audiocnn_cli.models.golden import golden_output
from audiocnn_cli.models.session import open_model
from audiocnn_cli.training.clips import ClipSet
from audiocnn_cli.training.model_file import write_model
from audiocnn_cli.training.split import Split

_log = logging.getLogger("audiocnn")

GOLDEN_SEGMENTS = 2.7
# Below it a calibrated label is more often wrong than right.
THRESHOLD = 0.5
_FEW_COVERED = 0.5
# Telephone bandwidth lowers the accuracy of many networks, so that every card states the figure.
NARROW_BAND = next(each for each in DEGRADATIONS if each.name == "8khz")


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What the user states about a model, and how its clips are split.

    `folds` of None is the default of the kind of training. Nothing is trained on clips whose path matches
    `keep_apart`. `threshold` of None is chosen by `choose_threshold`. `bits` of a stored weight are 32, 16 or
    8; `command` is the command line, for the card.
    """

    grouping: Grouping
    folds: int | None
    keep_apart: str | None
    seed: int
    threshold: float | None
    bits: int
    name: str
    task: str
    sound_type: str | None
    data: DataStatement
    command: str
    cache: Path


def card_path(output: Path) -> Path:
    """The path of the card of the model at `output`."""
    return output.with_suffix(".md")


def choose_threshold(confidences: Sequence[float]) -> float:
    """0.5, or 0 with a warning where the model would then abstain on every clip.

    `confidences` are the calibrated probabilities of the predicted labels of clips not trained on. Below 0.5
    a label is more often wrong than right.
    """
    covered = sum(confidence >= THRESHOLD for confidence in confidences)
    if not covered:
        _log.warning(
            "the model is sure of none of %d clips that it was not trained on (no probability reaches %g):"
            " its threshold is 0, and its labels are guesses; more clips, or classes that differ more, help",
            len(confidences),
            THRESHOLD,
        )
        return 0.0
    if covered < _FEW_COVERED * len(confidences):
        _log.warning(
            "the model gives a label to %d of %d clips that it was not trained on, and abstains on the others"
            " (probability below %g)",
            covered,
            len(confidences),
            THRESHOLD,
        )
    return THRESHOLD


def training_clips(clips: ClipSet, splits: Sequence[Split], apart: Iterable[int]) -> dict[str, int]:
    """The member that was not trained on each recording; recordings that none was trained on are left out."""
    untrained = {int(clip): i for i, split in enumerate(splits) for clip in split.test}
    left_out = set(apart) if len(splits) > 1 else untrained.keys()
    trained = ((i, clip.content) for i, clip in enumerate(clips.clips) if i not in left_out)
    return dict(sorted((content, untrained.get(i, SEEN_BY_ALL)) for i, content in trained))


def finish(
    proto: Any,
    draft: ModelContract,
    folder: Path,
    output: Path,
    *,
    protocol: Protocol,
    notes: str = "",
    force: bool,
) -> Evaluation:
    """Evaluate the exported graph, then write it with its figures, and its card with the section `notes`."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "draft.onnx"
        write_model(proto, draft, path, force=False)
        model = open_model(path)
        evaluation = evaluate(folder, model, degradations=(NARROW_BAND,))
        seconds = draft.golden.duration_s
        golden = Golden(duration_s=seconds, probabilities=golden_output(model, duration_s=seconds))
    contract = replace(draft, golden=golden, figures=measured_figures(evaluation, protocol=protocol))
    write_model(proto, contract, output, force=force)
    with atomic_writer(card_path(output), "w", force=force) as stream:
        stream.write(card(contract, evaluation.clips, notes=coverage_section(evaluation) + notes))
    return evaluation
