"""Self-contained HTML pages from Jinja templates: values are escaped, style and script are inline.

A content security policy allows only the page's own style and script, and no request.
"""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiocnn_cli.errors import UsageError
from audiocnn_cli.extras import require_extra
from audiocnn_cli.files import check_writable

if TYPE_CHECKING:
    from jinja2 import Environment

_ASSETS = Path(__file__).parent / "assets"


def check_page(path: Path, *, force: bool) -> None:
    """Check, before the work starts, that a page can be written to `path`.

    Raises:
        UsageError: the name does not end in .html.
        MissingExtraError: Jinja or Pillow is not installed.
        OutputError: the file can't be written.
    """
    if path.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"`report={path}`: name an .html file")
    require_extra("report", "`report`")
    check_writable(path, force=force)


def render(template: str, *, command: str, styles: tuple[str, ...], script: str, **values: Any) -> str:
    """The page of a template with these style sheets and this script, made by `command`."""
    html: str = (
        _environment().get_template(template).render(**_inline(styles, script), command=command, **values)
    )
    return html


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(_ASSETS)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"clock": clock, "percent": lambda share: f"{100 * share:.0f} %"}
    return environment


@cache
def _inline(styles: tuple[str, ...], script: str) -> dict[str, Any]:
    """Style, script and the policy that allows just them."""
    from markupsafe import Markup

    style = "".join((_ASSETS / name).read_text(encoding="utf-8") for name in styles)
    code = (_ASSETS / script).read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; img-src data:; media-src data:; style-src {_hash(style)};"
        f" script-src {_hash(code)}; base-uri 'none'; form-action 'none'"
    )
    # Style and script are files of this package.
    return {"policy": policy, "style": Markup(style), "script": Markup(code)}  # noqa: S704


def _hash(text: str) -> str:
    """The source expression of an inline element in a content security policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def clock(seconds: float) -> str:
    """12.3 as 0:12.3, and 3723.4 as 1:02:03.4."""
    minutes, rest = divmod(round(seconds * 10), 600)
    hours, minutes = divmod(minutes, 60)
    ahead = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{ahead}:{rest // 10:02d}.{rest % 10}"
