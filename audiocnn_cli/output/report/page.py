"""The HTML of one recording's page, and of the overview of several.

Values are escaped, and a content security policy allows only the page's own style and script.
"""

import base64
import hashlib
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiocnn_cli.classify.prediction import Prediction
from audiocnn_cli.inspection.occlusion import Why
from audiocnn_cli.models.contract import Figure, ModelContract
from audiocnn_cli.models.session import Model
from audiocnn_cli.output.report.plots import data_uri, plots_of
from audiocnn_cli.output.report.sound import Sound
from audiocnn_cli.output.terminal.console import display
from audiocnn_cli.output.views.inspection import falls, sentences, where
from audiocnn_cli.output.views.stretches import shown_label, stretches

if TYPE_CHECKING:
    from jinja2 import Environment

_ASSETS = Path(__file__).parent / "assets"
_MOST_PARTS = 400
_LONGEST_CARD = 1 << 16


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


def _render(template: str, **values: Any) -> str:
    html: str = _environment().get_template(template).render(values)
    return html


@cache
def _environment() -> "Environment":
    """The templates, with style and script inline."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    loader = FileSystemLoader(_ASSETS)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"clock": _clock, "percent": lambda share: f"{100 * share:.0f} %"}
    style, script = ((_ASSETS / name).read_text(encoding="utf-8") for name in ("style.css", "page.js"))
    policy = (
        f"default-src 'none'; img-src data:; media-src data:; style-src {_hash(style)};"
        f" script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )
    # Style and script are files of this package.
    environment.globals |= {"policy": policy, "style": Markup(style), "script": Markup(script)}  # noqa: S704
    return environment


def _hash(text: str) -> str:
    """The source expression of an inline element in a content security policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _clock(seconds: float) -> str:
    """12.3 as 0:12.3, and 3723.4 as 1:02:03.4."""
    minutes, rest = divmod(round(seconds * 10), 600)
    hours, minutes = divmod(minutes, 60)
    ahead = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{ahead}:{rest // 10:02d}.{rest % 10}"
