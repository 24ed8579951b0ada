"""Files that are named after the inputs: no two inputs of a run may have the same."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from audiocnn_cli.audio.sources import Source
from audiocnn_cli.errors import FailureKind, InputError


def claimed(
    inputs: Iterable[Source | InputError], file_of: Callable[[Source], Path]
) -> Iterator[Source | InputError]:
    """The inputs, but a failure for each whose file is that of an earlier one."""
    taken: dict[Path, str] = {}
    for item in inputs:
        if isinstance(item, InputError):
            yield item
            continue
        path = file_of(item)
        other = taken.setdefault(path, item.path)
        if other == item.path:
            yield item
            continue
        yield InputError(
            item.path,
            FailureKind.PERMISSION,
            f"its file {path} is written for {other} already; give the folder that holds both, or run"
            " them apart",
        )
