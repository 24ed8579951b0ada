"""The HTML of one recording's page, and of the overview of several."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.classify.prediction import Prediction
from audiocnn_cli.inspection.occlusion import Why
from audiocnn_cli.models.contract import ModelContract
from audiocnn_cli.models.session import Model
from audiocnn_cli.output.report.plots import data_uri, plots_of
from audiocnn_cli.output.report.render import render
from audiocnn_cli.output.report.sound import Sound
from audiocnn_cli.output.terminal.console import display
from audiocnn_cli.output.views.inspection import falls, sentences, where

_MOST_EVENTS = 400
_LONGEST_CARD = 1 << 16


@dataclass(frozen=True, slots=True)
class PageInput:
    """The content of a page; `overview` is the relative URL of the overview that links to it, if any."""

    prediction: Prediction
    why: Why
    sound: Sound
    model: Model
    overview: str | None = None


def page_html(page: PageInput) -> str:
    """A self-contained HTML page."""
    prediction, sound = page.prediction, page.sound
    return render(
        "page.html.j2",
        name=display(prediction.name),
        path=display(prediction.path),
        overview=page.overview,
        prediction=prediction,
        why=_why(page.why),
        sound=sound,
        audio=data_uri(sound.mp3, "audio/mpeg") if sound.mp3 else None,
        cut_short=bool(sound.mp3) and sound.kept_s < sound.duration_s - 0.1,
        events=prediction.events[:_MOST_EVENTS],
        more_events=max(0, len(prediction.events) - _MOST_EVENTS),
        card=_card(page.model),
        plots=plots_of(prediction, page.why, sound),
    )


def _why(why: Why) -> dict[str, Any]:
    first, *others = sentences(why)
    return {
        "sentence": first,
        "unsearched": others[-1] if why.searched < why.segments else None,
        "decibels": why.decibels,
        "spans": [
            {"start_s": span.start_s, "where": where(span), "falls": falls(span)} for span in why.spans
        ],
    }


def _card(model: Model) -> dict[str, Any]:
    """The model's facts in rows, its figures and the first of them, and the text of its card, if any."""
    signature = model.signature
    contract = signature if isinstance(signature, ModelContract) else None
    features = signature.features
    rate = f"{features.sample_rate:,} Hz"
    facts = [
        ("labels", ", ".join(signature.labels)),
        ("input", f"{features.feature} of {signature.segment_s:g} s at {rate}"),
    ]
    if contract is not None:
        facts = [
            ("task", contract.task),
            *facts,
            ("network", contract.architecture),
            ("training data", contract.data.name),
            ("licence of the data", contract.data.licence),
        ]
    figures = contract.figures if contract is not None else ()
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


class Overview:
    """The page of several recordings: a row each, linked to its page."""

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] = []
        self._failures: list[dict[str, str]] = []

    def add(self, prediction: Prediction, url: str) -> None:
        """Add a recording, and the relative URL of its page."""
        others = (f"{each.label} {each.probability:.2f}" for each in prediction.top[1:])
        self._rows.append(
            {
                "href": url,
                "name": display(prediction.name),
                "label": ", ".join(prediction.labels),
                "reason": prediction.reason,
                "probability": prediction.probability,
                "others": ", ".join(others),
                "duration_s": prediction.duration_s,
            }
        )

    def fail(self, failure: Failure) -> None:
        """Add a recording without a prediction."""
        self._failures.append({"path": display(failure.path), "message": failure.message})

    def html(self) -> str:
        """The whole page."""
        counts = Counter(row["label"] or row["reason"] for row in self._rows)
        return render(
            "overview.html.j2", rows=self._rows, failures=self._failures, counts=counts.most_common()
        )
