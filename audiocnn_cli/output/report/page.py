"""The HTML of one recording's page, and of the overview of several."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from audiocnn_cli.classify.prediction import Prediction
from audiocnn_cli.inspection.occlusion import Why
from audiocnn_cli.models.contract import Figure, ModelContract
from audiocnn_cli.models.session import Model
from audiocnn_cli.output.report.plots import data_uri, plots_of
from audiocnn_cli.output.report.sound import Sound
from audiocnn_cli.output.report.template import render
from audiocnn_cli.output.terminal.console import display
from audiocnn_cli.output.views.inspection import falls, sentences, where
from audiocnn_cli.output.views.stretches import shown_label, stretches

_MOST_PARTS = 400
_LONGEST_CARD = 1 << 16
_render = partial(render, command="audiocnn classify --report", styles=("style.css",), script="page.js")


def page_html(
    prediction: Prediction, why: Why, sound: Sound, model: Model, overview: str | None = None
) -> str:
    """A self-contained page; `overview` is the relative URL of the overview that links to it, if any."""
    parts = stretches(prediction)
    return _render(
        "page.html.j2",
        name=display(prediction.name),
        path=display(prediction.path),
        overview=overview,
        prediction=prediction,
        shown=shown_label(prediction.labels, prediction.reason, prediction.top[0].label),
        why=_why(why),
        sound=sound,
        audio=data_uri(sound.mp3, "audio/mpeg") if sound.mp3 else None,
        cut_short=bool(sound.mp3) and sound.kept_s < sound.duration_s - 0.1,
        parts=parts[:_MOST_PARTS],
        more_parts=max(0, len(parts) - _MOST_PARTS),
        card=_card(model),
        plots=plots_of(prediction, why, sound),
    )


def _why(why: Why) -> dict[str, Any]:
    first, *others = sentences(why)
    return {
        "sentence": first,
        "unsearched": others[-1] if why.searched < why.segments else None,
        "decibels": why.decibels,
        "spans": [
            {"start_s": each.start_s, "where": where(each), "falls": falls(each)} for each in why.spans
        ],
    }


def _card(model: Model) -> dict[str, Any]:
    """The model's facts in rows, its figures and the first of them, and the text of its card, if any."""
    signature = model.signature
    figures: tuple[Figure, ...] = ()
    features = signature.features
    facts = [
        ("labels", ", ".join(signature.labels)),
        ("input", f"{features.feature} of {signature.segment_s:g} s at {features.sample_rate:,} Hz"),
    ]
    if isinstance(signature, ModelContract):
        facts = [
            ("task", signature.task),
            *facts,
            ("network", signature.architecture),
            ("training data", signature.data.name),
            ("licence of the data", signature.data.licence),
        ]
        figures = signature.figures
    return {
        "name": signature.name,
        "facts": facts,
        "figures": figures,
        "headline": figures[0] if figures else None,
        "text": _text(Path(model.path).with_suffix(".md")),
    }


def _text(path: Path) -> str | None:
    """The Markdown card beside the model, unformatted."""
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            return stream.read(_LONGEST_CARD)
    except OSError:
        return None


def overview_row(prediction: Prediction, url: str) -> dict[str, Any]:
    """The row of a recording in the overview, linked to the relative URL of its page."""
    return {
        "href": url,
        "name": display(prediction.name),
        "label": shown_label(prediction.labels, prediction.reason, prediction.top[0].label),
        "reason": prediction.reason if prediction.abstained else None,
        "probability": prediction.probability,
        "others": ", ".join(f"{each.label} {each.probability:.2f}" for each in prediction.top[1:]),
        "duration_s": prediction.duration_s,
    }


def overview_html(rows: Sequence[dict[str, Any]], failures: Sequence[dict[str, str]]) -> str:
    """The page of several recordings: a row each, then those without a prediction."""
    counts = Counter(row["reason"] or row["label"] for row in rows)
    return _render("overview.html.j2", rows=rows, failures=failures, counts=counts.most_common())
