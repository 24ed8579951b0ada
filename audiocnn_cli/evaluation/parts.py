"""A data set put together from parts of others: a folder of links that is gone afterwards."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory

from audiocnn_cli.errors import UsageError


@contextmanager
def put_together(root: Path, parts: Mapping[str, str]) -> Iterator[Path]:
    """A folder with one sub-folder a class, made of links to what lies below `root`.

    `parts` says what lies where: a key is a place in the folder (`speech` or `speech/digits`), its value a
    folder below `root`, or a pattern of the files that it holds.

    Raises:
        UsageError: a place or a pattern leads outside, or a pattern matches nothing.
    """
    with TemporaryDirectory(prefix="audiocnn-") as name:
        folder = Path(name)
        for place, pattern in parts.items():
            _require_inside(place, pattern)
            found = sorted(root.glob(pattern))
            if not found:
                raise UsageError(f"{root}: holds nothing that matches {pattern}")
            if found[0].is_dir():
                (folder / place).parent.mkdir(parents=True, exist_ok=True)
                (folder / place).symlink_to(found[0].resolve())
                continue
            (folder / place).mkdir(parents=True, exist_ok=True)
            for file in found:
                (folder / place / file.name).symlink_to(file.resolve())
        yield folder


def parts_from(given: Iterable[str]) -> dict[str, str]:
    """`PLACE=PATTERN` of the command line as a mapping.

    Raises:
        UsageError: one has no place or no pattern, or a place is named twice.
    """
    parts: dict[str, str] = {}
    for each in given:
        place, _, pattern = each.partition("=")
        if not place or not pattern or place in parts:
            raise UsageError(
                f"--part {each}: give each PLACE=PATTERN once, such as speech/news=radio"
            )
        parts[place] = pattern
    return parts


def _require_inside(*names: str) -> None:
    for name in names:
        path = PurePath(name)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise UsageError(f"{name!r} leads outside of the data; name what lies below it")
