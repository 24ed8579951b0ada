"""Templates to HTML: every value is escaped, and the page may load nothing and run only its own script."""

import base64
import hashlib
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiocnn_cli.errors import MissingExtraError

if TYPE_CHECKING:
    from jinja2 import Environment

_HERE = Path(__file__).parent


def require_rendering() -> None:
    """Say before the work starts that no page can be made.

    Raises:
        MissingExtraError: Jinja or Pillow is not installed.
    """
    if find_spec("jinja2") is None or find_spec("PIL") is None:
        raise MissingExtraError("--report", "report")


def render(template: str, **values: Any) -> str:
    """The HTML of a template, with the style and the scripts in it."""
    from markupsafe import Markup

    style = _asset("vendor/uPlot.min.css") + _asset("assets/style.css")
    scripts = [_asset("vendor/uPlot.iife.min.js"), _asset("assets/page.js")]
    policy = "; ".join(
        [
            "default-src 'none'",
            "img-src data:",
            "media-src data:",
            f"style-src {_hash(style)}",
            f"script-src {' '.join(map(_hash, scripts))}",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    html: str = (
        _environment()
        .get_template(template)
        .render(
            values,
            policy=policy,
            style=Markup(style),  # noqa: S704 (our own files)
            scripts=[Markup(script) for script in scripts],  # noqa: S704
        )
    )
    return html


@lru_cache(maxsize=8)
def _asset(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """How a content security policy names an element by its content."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@lru_cache(maxsize=1)
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_HERE / "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["clock"] = _clock
    environment.filters["percent"] = _percent
    return environment


def _clock(seconds: float) -> str:
    """12.3 as 0:12.3, and 3723.4 as 1:02:03.4."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    ahead = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{ahead}:{rest // 10:02d}.{rest % 10}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
