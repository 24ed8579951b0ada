"""A matplotlib figure becomes a file: the same figure gives the same bytes, whole or not at all."""

from pathlib import Path
from typing import Any

from audiocnn_cli.errors import UsageError
from audiocnn_cli.extras import require_extra
from audiocnn_cli.files import atomic_writer, check_writable
from audiocnn_cli.output.terminal.console import display

ENDINGS = (".png", ".svg", ".pdf")


def check_picture(path: Path, *, force: bool) -> None:
    """Check, before the work starts, that a picture can be written to `path`.

    Raises:
        UsageError: its suffix is that of no picture.
        MissingExtraError: matplotlib is not installed.
        OutputError: the file can't be written.
    """
    if path.suffix.lower() not in ENDINGS:
        raise UsageError(f"`plot={path}`: name a {', '.join(ENDINGS)} file")
    require_extra("plot", "`plot`")
    check_writable(path, force=force)


def save_picture(figure: Any, path: Path, *, force: bool, kind: str | None = None) -> None:
    """Write a `matplotlib.figure.Figure` as `kind`, or as the suffix of `path` has it.

    Raises:
        OutputError: it can't be written.
    """
    import warnings

    import matplotlib as mpl

    kind = kind or path.suffix[1:].lower()
    # Text stays text; without a date the same figure gives the same bytes.
    undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    with (
        warnings.catch_warnings(),
        mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "audiocnn"}),
        atomic_writer(path, "wb", force=force) as stream,
    ):
        # A name may have characters that no font here has; it is drawn with boxes in their place.
        warnings.filterwarnings("ignore", r"Glyph \d+")
        figure.savefig(stream, format=kind, dpi=120, metadata=undated.get(kind, {}))


def plain(text: str) -> str:
    """`text` for a figure, which reads $ as the start of mathematics."""
    return display(text).replace("$", r"\$")
