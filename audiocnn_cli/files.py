"""Files that are written whole or not at all, and cells of CSV that no spreadsheet runs."""

import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Literal

from audiocnn_cli.errors import OutputError

_UNFINISHED = ".part"
# The number of characters that tempfile puts between prefix and suffix.
_RANDOM = 8
# A spreadsheet runs a cell that begins so. The apostrophe, which marks such cells here, is marked too.
_MARKED = ("=", "+", "-", "@", "\t", "\r", "'")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def safe_cell(value: Any) -> Any:
    """A value as a cell of CSV: an apostrophe before a text that a spreadsheet would run as a formula.

    Numbers, also those in a text, stay as they are. Source: OWASP, CSV Injection.
    """
    marked = isinstance(value, str) and value.startswith(_MARKED) and not _NUMBER.fullmatch(value)
    return f"'{value}" if marked else value


def plain_cell(text: str) -> str:
    """The text that `safe_cell` made a cell of: without an apostrophe at its beginning."""
    return text.removeprefix("'")


def check_writable(path: Path, *, force: bool) -> None:
    """Check, before any work, that `path` can be written; its folder need not exist yet.

    Raises:
        OutputError: it exists and `force` is not given, is a folder, or its folder can't be written or made.
    """
    if os.path.isdir(path):  # noqa: PTH112 (Path.is_dir raises for a name too long)
        raise OutputError(f"{path}: is a folder; name a file in it")
    if os.path.exists(path) and not force:  # noqa: PTH110
        raise OutputError(f"{path}: exists already; give another name or add `force=True`")
    check_folder(path.parent)


def check_folder(folder: Path) -> None:
    """Check, before any work, that files can be written in `folder`, which need not exist yet.

    Raises:
        OutputError: it can't be written, or can't be made.
    """
    there = next(above for above in (folder, *folder.parents) if os.path.lexists(above))
    if not there.is_dir():
        raise OutputError(f"{folder}: no files can be written there, as {there} is no folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise OutputError(f"{folder}: no files can be written there, for want of permission")


def make_folder(path: Path) -> None:
    """Create the folder `path` and its parents, where they don't exist.

    Raises:
        OutputError: it can't be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: this folder can't be made ({error.strerror})") from error


@contextmanager
def _folder_of(path: Path) -> Iterator[None]:
    """Create the folders of `path`; new ones are removed again if they are empty at the end."""
    missing = [above for above in path.parents if not os.path.lexists(above)]
    make_folder(path.parent)
    try:
        yield
    finally:
        for folder in missing:
            with suppress(OSError):  # one that is not empty stays
                folder.rmdir()


@contextmanager
def atomic_writer(path: Path, mode: Literal["w", "wb"], *, force: bool) -> Iterator[IO[Any]]:
    """A temporary file beside `path` that is renamed to it when the `with` block ends without an error.

    Folders of `path` that don't exist are created.

    Raises:
        OutputError: the file can't be written (no permission, a full disk, it exists and not `force`).
    """
    check_writable(path, force=force)
    # As on stdout, bytes of a file name that are not UTF-8 are escaped.
    text = {} if "b" in mode else {"encoding": "utf-8", "errors": "backslashreplace", "newline": ""}
    with _folder_of(path):
        try:
            descriptor, name = tempfile.mkstemp(prefix=_prefix(path), suffix=_UNFINISHED, dir=path.parent)
        except OSError as error:
            raise OutputError(f"{path}: can't be written ({error.strerror})") from error
        temporary = Path(name)
        try:
            # Readable too: the HDF5 library reads back what it has written.
            with os.fdopen(descriptor, mode.replace("w", "w+"), **text) as stream:  # type: ignore[call-overload]  # mode decides text
                yield stream
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
        except OSError as error:
            raise OutputError(f"{path}: can't be written ({error.strerror or error})") from error
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()


def remove_unfinished(paths: Iterable[Path]) -> None:
    """Remove the temporary files that killed processes have left of these files."""
    prefixes: dict[Path, set[str]] = {}
    for path in paths:
        prefixes.setdefault(path.parent, set()).add(_prefix(path))
    for folder, known in prefixes.items():
        for file in list(folder.glob(f".*{_UNFINISHED}")):
            if file.name[: -len(_UNFINISHED) - _RANDOM] in known:
                file.unlink(missing_ok=True)


def _prefix(path: Path) -> str:
    # Names have at most 255 bytes in most file systems.
    return f".{path.name[:40]}."


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
