"""Named architectures: one TOML file each in this folder, with the paper it comes from."""

from functools import cache
from pathlib import Path

from audiocnn_cli.errors import UsageError
from audiocnn_cli.shapes.stackfile import Architecture, read_stack

_FOLDER = Path(__file__).parent


def architecture_names() -> tuple[str, ...]:
    """All names, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


@cache
def architecture(name: str) -> Architecture:
    """The architecture of that name.

    Raises:
        UsageError: there is none; the sentence lists those there are.
    """
    names = architecture_names()
    if name not in names:
        raise UsageError(f"unknown architecture {name!r}; one of {', '.join(names)}")
    return read_stack(_FOLDER / f"{name}.toml")
