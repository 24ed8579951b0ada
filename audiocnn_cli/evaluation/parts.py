"""A data set made of parts of others: a temporary folder of symbolic links."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory

from audiocnn_cli.errors import UsageError


@contextmanager
def link_parts(root: Path, parts: Mapping[str, str]) -> Iterator[Path]:
    """A temporary folder with one sub-folder a class, made of links to files below `root`.

    `parts` maps a path in that folder (`speech` or `speech/digits`) to a folder below `root`, or to a
    pattern of the files that it contains.

    Raises:
        UsageError: a path or a pattern leads outside, or a pattern matches nothing.
    """
    with TemporaryDirectory(prefix="audiocnn-") as name:
        folder = Path(name)
        for path, pattern in parts.items():
            _require_inside(path, pattern)
            found = sorted(root.glob(pattern))
            if not found:
                raise UsageError(f"{root}: nothing in it matches {pattern}")
            if found[0].is_dir():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).symlink_to(found[0].resolve())
                continue
            (folder / path).mkdir(parents=True, exist_ok=True)
            for file in found:
                (folder / path / file.name).symlink_to(file.resolve())
        yield folder


def parse_parts(arguments: Iterable[str]) -> dict[str, str]:
    """`PATH=PATTERN` arguments as a mapping.

    Raises:
        UsageError: one lacks the path or the pattern, or a path is given twice.
    """
    parts: dict[str, str] = {}
    for argument in arguments:
        path, _, pattern = argument.partition("=")
        if not path or not pattern or path in parts:
            raise UsageError(f"`part={argument}`: give each PATH=PATTERN once, such as speech/news=radio")
        parts[path] = pattern
    return parts


def _require_inside(*names: str) -> None:
    for name in names:
        path = PurePath(name)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise UsageError(f"{name!r} leads outside of the data folder; use a path below it")
