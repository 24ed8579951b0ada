"""`evaluate --report`: a page with the confusion matrix, or the values, and the clips to play."""

import base64
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.evaluation.evaluate import Evaluation
from audiocnn_cli.evaluation.metrics import THRESHOLDS, ConfusionMatrix
from audiocnn_cli.evaluation.regression import RegressionEvaluation
from audiocnn_cli.evaluation.scoring import ClipPrediction
from audiocnn_cli.files import atomic_writer
from audiocnn_cli.output.report.diagrams import reliability, scatter
from audiocnn_cli.output.report.excerpts import EmbeddedExcerpt, Wanted, can_embed, embed
from audiocnn_cli.output.report.template import render
from audiocnn_cli.output.terminal.console import display, log
from audiocnn_cli.output.views.regression import decimals, estimates, interval, number, title_of

# With more labels the matrix is a list of the most frequent confusions.
MOST_LABELS = 60
_MOST_PAIRS = 100
# Clips that the page lists, the wrong ones first.
MOST_CLIPS = 20_000
_LEVELS = 5
_SAME: dict[str, Any] = {
    "command": "audiocnn evaluate --report",
    "styles": ("style.css", "errors.css"),
    "script": "errors.js",
}


def write_page(
    evaluation: Evaluation | RegressionEvaluation, folder: Path, path: Path, *, force: bool
) -> None:
    """Write the page of an evaluation of `folder`, with the sound of as many clips as have room in it.

    Raises:
        OutputError: it can't be written.
    """
    if isinstance(evaluation, Evaluation):
        html = error_page(evaluation, folder)
    else:
        html = values_page(evaluation, folder)
    with atomic_writer(path, "w", force=force) as file:
        file.write(html)
    log.info("%s: report written", path)


def error_page(evaluation: Evaluation, folder: Path) -> str:
    """The HTML of the page."""
    clips = evaluation.clips
    listed = sorted(evaluation.predictions, key=lambda each: (each.correct, -each.confidence))
    shown = listed[:MOST_CLIPS]
    excerpts = embed(_wanted(shown))
    labels = list(clips.labels)
    used = [i for i, score in enumerate(clips.per_class.values()) if score.f1 is not None]
    return render(
        "errors.html.j2",
        **_SAME,
        model=display(evaluation.model),
        folder=display(str(folder)),
        evaluation=evaluation,
        wrong=clips.n - clips.correct,
        own=evaluation.coverage([evaluation.threshold])[0] if evaluation.threshold else None,
        coverage=evaluation.coverage((*THRESHOLDS, evaluation.threshold)),
        labels=[display(label) for label in labels],
        scores=list(clips.per_class.values()),
        matrix=list(_matrix(clips, used)) if len(used) <= MOST_LABELS else None,
        used=used,
        pairs=_pairs(clips) if len(used) > MOST_LABELS else [],
        reliability=reliability(evaluation.calibration),
        embedded=embedded_text(len(excerpts), len(shown), len(listed), first="the wrong ones"),
        failures=failure_rows(evaluation.failures),
        data={
            "kind": "classes",
            "labels": [display(label) for label in labels],
            "clips": [_clip(each, labels) for each in shown],
            "sounds": sounds(excerpts),
        },
    )


def values_page(evaluation: RegressionEvaluation, folder: Path) -> str:
    """The HTML of the page of a regression model; that of the largest error comes first."""
    listed = sorted(evaluation.clips, key=lambda each: -abs(each.error))
    shown = listed[:MOST_CLIPS]
    excerpts = embed(
        Wanted(key, each.prediction.source, each.prediction.evidence_s) for key, each in enumerate(shown)
    )
    true = [each.target.value for each in shown]
    found = [each.prediction.value for each in shown]
    return render(
        "values.html.j2",
        **_SAME,
        model=display(evaluation.model),
        quantity=display(evaluation.quantity),
        folder=display(str(folder)),
        evaluation=evaluation,
        figures=[
            (title_of(key), number(estimate.value), interval(estimate))
            for key, estimate in estimates(evaluation.scores)
        ],
        plot=scatter(true, found),
        embedded=embedded_text(len(excerpts), len(shown), len(listed), first="those of the largest errors"),
        failures=failure_rows(evaluation.failures),
        data={
            "kind": "values",
            "decimals": decimals(shown),
            "clips": [
                [display(each.target.source.name), each.target.value, each.prediction.value] for each in shown
            ],
            "sounds": sounds(excerpts),
        },
    )


def embedded_text(embedded: int, shown: int, clips: int, *, first: str) -> str | None:
    """One sentence on what the page lacks; None if all clips are listed and can be played."""
    if not can_embed():
        return "The page has no sound: the installed libsndfile can't write MP3."
    if embedded == clips:
        return None
    listed = "" if shown == clips else f" It lists {shown:,} of the {clips:,}."
    return (
        f"The page contains the sound of {embedded:,} of {clips:,} clips, {first} first; the others have"
        f" no room in it or could not be read when it was made.{listed}"
    )


def failure_rows(failures: Iterable[Failure]) -> list[dict[str, str]]:
    """The recordings that could not be used, with the reason."""
    return [{"path": display(each.path), "message": each.message} for each in failures]


def sounds(excerpts: dict[int, EmbeddedExcerpt]) -> dict[str, Any]:
    """The excerpts for the page's script: [MP3 in base64, start, length, duration of the clip]."""
    return {
        str(key): [
            base64.b64encode(each.mp3).decode(),
            round(each.start_s, 2),
            round(each.length_s, 2),
            round(each.duration_s, 2),
        ]
        for key, each in excerpts.items()
    }


def _wanted(clips: Sequence[ClipPrediction]) -> Iterator[Wanted]:
    """The wrong clips, then the correct ones, each class in turn from its least probable clip on."""
    wrong, by_class = [], dict[str, list[int]]()
    for key, each in enumerate(clips):
        if each.correct:
            by_class.setdefault(each.label, []).append(key)
        else:
            wrong.append(key)
    in_turn = chain.from_iterable(zip_longest(*(reversed(keys) for keys in by_class.values())))
    for key in chain(wrong, (key for key in in_turn if key is not None)):
        yield Wanted(key, clips[key].clip.source, clips[key].evidence_s)


def _clip(clip: ClipPrediction, labels: Sequence[str]) -> list[Any]:
    """[name, true, predicted, probability, that of the true label, why no label, other labels]."""
    true = labels.index(clip.clip.label)
    others = [display(label) for label in clip.labels if label != clip.label]
    return [
        display(f"{clip.clip.label}/{clip.clip.source.name}"),
        true,
        labels.index(clip.label),
        round(clip.confidence, 4),
        round(clip.probabilities[true], 4),
        clip.reason or "",
        ", ".join(others),
    ]


def _matrix(clips: ConfusionMatrix, used: Sequence[int]) -> Iterator[dict[str, Any]]:
    """A row for each label that occurs; the level of a cell is its share of the row, 1 to 5."""
    for i in used:
        total = sum(clips.counts[i]) or 1
        cells = [
            {
                "predicted": j,
                "n": (n := clips.counts[i][j]),
                "level": -(-_LEVELS * n // total),
                "right": i == j,
            }
            for j in used
        ]
        yield {"true": i, "cells": cells, "n": sum(clips.counts[i])}


def _pairs(clips: ConfusionMatrix) -> list[tuple[int, int, int]]:
    """The most frequent confusions as (count, true, predicted)."""
    found = ((n, i, j) for i, row in enumerate(clips.counts) for j, n in enumerate(row) if n and i != j)
    return sorted(found, key=lambda pair: (-pair[0], pair[1:]))[:_MOST_PAIRS]
