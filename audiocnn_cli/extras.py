"""Optional packages: one check, and an install command that works for this installation."""

from importlib.util import find_spec

from audiocnn_cli.errors import MissingExtraError

_DISTRIBUTION = "audiocnn-cli"
# The modules that each extra of pyproject.toml brings.
MODULES = {
    "av": ("av",),
    "dask": ("distributed",),
    "hdf5": ("h5py",),
    "live": ("sounddevice",),
    "parquet": ("pyarrow",),
    "plot": ("matplotlib",),
    "remote": ("fsspec",),
    "report": ("jinja2", "PIL"),
    "textgrid": ("praatio",),
    "train": ("torch", "onnxscript", "sklearn"),
}


def require_extra(extra: str, what: str) -> None:
    """Check that the packages of `extra` are installed, without importing them.

    Raises:
        MissingExtraError: one is missing; the message names the extra and the command that installs it.
    """
    if any(find_spec(module) is None for module in MODULES[extra]):
        raise MissingExtraError(what, extra, install_command(extra))


def install_command(extra: str) -> str:
    """The pip command that adds `extra` to an installation from a checkout, a wheel or an index.

    pip records where a distribution came from in direct_url.json (PEP 610); without it, it was an index.
    """
    import json  # these take 10 ms, which only a missing extra is worth
    from importlib.metadata import PackageNotFoundError, distribution
    from urllib.parse import unquote, urlsplit

    try:
        recorded = distribution(_DISTRIBUTION).read_text("direct_url.json")
    except PackageNotFoundError:
        recorded = None
    origin = json.loads(recorded) if recorded else {}
    url = origin.get("url", "")
    if "dir_info" in origin:
        editable = "-e " if origin["dir_info"].get("editable") else ""
        return f"pip install {editable}'{unquote(urlsplit(url).path)}[{extra}]'"
    if url:
        return f"pip install '{_DISTRIBUTION}[{extra}] @ {url}'"
    return f"pip install '{_DISTRIBUTION}[{extra}]'"
