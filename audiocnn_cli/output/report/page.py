"""One recording's page: what the template is given, and the HTML that comes of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audiocnn_cli.classify.prediction import Prediction
from audiocnn_cli.inspection.occlusion import Why
from audiocnn_cli.models.contract import ModelContract
from audiocnn_cli.models.session import Model
from audiocnn_cli.output.report.card import card_of
from audiocnn_cli.output.report.pictures import data_uri
from audiocnn_cli.output.report.plots import plots_of
from audiocnn_cli.output.report.render import render
from audiocnn_cli.output.report.sound import Sound
from audiocnn_cli.output.terminal.console import display
from audiocnn_cli.output.views.occlusion import falls, sentences, where

_MOST_EVENTS = 400


@dataclass(frozen=True, slots=True)
class PageInput:
    """All that a page shows; `overview` is the address of the overview that it belongs to, if any."""

    prediction: Prediction
    why: Why
    sound: Sound
    model: Model
    overview: str | None = None


def page_html(shown: PageInput) -> str:
    """The page as HTML that needs nothing else."""
    prediction, sound = shown.prediction, shown.sound
    return render(
        "page.html.j2",
        name=display(prediction.name),
        path=display(prediction.path),
        overview=shown.overview,
        prediction=prediction,
        why=_why(shown.why),
        sound=sound,
        audio=data_uri(sound.mp3, "audio/mpeg") if sound.mp3 else None,
        cut_short=bool(sound.mp3) and sound.kept_s < sound.duration_s - 0.1,
        events=prediction.events[:_MOST_EVENTS],
        more_events=max(0, len(prediction.events) - _MOST_EVENTS),
        card=_card(shown.model),
        plots=plots_of(prediction, shown.why, sound),
    )


def _why(why: Why) -> dict[str, Any]:
    first, *others = sentences(why)
    return {
        "sentence": first,
        "unsearched": others[-1] if why.searched < why.segments else None,
        "decibels": why.decibels,
        "spans": [
            {"start_s": span.start_s, "where": where(span), "falls": falls(span)}
            for span in why.spans
        ],
    }


def _card(model: Model) -> dict[str, Any]:
    contract = model.signature if isinstance(model.signature, ModelContract) else None
    return card_of(model.signature, contract, Path(model.path))
