"""What a page says of the model: what it was made from, and how often it is right."""

from pathlib import Path
from typing import Any

from audiocnn_cli.models.contract import ModelContract
from audiocnn_cli.models.signature import Signature

_LONGEST_CARD = 1 << 16


def card_of(signature: Signature, contract: ModelContract | None, path: Path) -> dict[str, Any]:
    """The model's facts in rows, its figures and the first of them, and the text of its card, if any."""
    features = signature.features
    facts = [
        ("labels", ", ".join(signature.labels)),
        (
            "hears",
            f"{features.feature} of {signature.segment_s:g} s at {features.sample_rate:,} Hz",
        ),
    ]
    if contract is not None:
        facts = [
            ("task", contract.task),
            *facts,
            ("network", contract.architecture),
            ("trained on", contract.data.name),
            ("licence of that data", contract.data.licence),
        ]
    figures = contract.figures if contract is not None else ()
    return {
        "name": signature.name,
        "facts": facts,
        "figures": figures,
        "headline": figures[0] if figures else None,
        "text": _text(path.with_suffix(".md")),
    }


def _text(path: Path) -> str | None:
    """The Markdown card beside the model, as it stands."""
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            return stream.read(_LONGEST_CARD)
    except OSError:
        return None
