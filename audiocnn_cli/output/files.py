"""A file is written whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Literal

from audiocnn_cli.errors import OutputError


def check_writable(path: Path, *, force: bool) -> None:
    """Say before the work starts that `path` can't be written; the folder that it names may be made yet.

    Raises:
        OutputError: it exists and `force` is not given, is a folder, or its folder can't be written or made.
    """
    if os.path.isdir(path):  # noqa: PTH112 (Path.is_dir raises for a name too long)
        raise OutputError(f"{path}: is a folder; name a file in it")
    if os.path.exists(path) and not force:  # noqa: PTH110
        raise OutputError(f"{path}: exists already; give another name or add --force")
    check_folder(path.parent)


def check_folder(folder: Path) -> None:
    """Say before the work starts that no file can be written in `folder`, which may have to be made.

    Raises:
        OutputError: it can't be written, or can't be made.
    """
    there = next(above for above in (folder, *folder.parents) if os.path.lexists(above))
    if not there.is_dir():
        raise OutputError(f"{folder}: no files can be written there, as {there} is no folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise OutputError(f"{folder}: no files can be written there, for want of permission")


@contextmanager
def _folder_of(path: Path) -> Iterator[None]:
    """Make the folders that `path` names and that are not there; those stay only if there is a file."""
    missing = [above for above in path.parents if not os.path.lexists(above)]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path.parent}: this folder can't be made ({error.strerror})") from error
    try:
        yield
    finally:
        for folder in missing:
            with suppress(OSError):  # one that holds something stays
                folder.rmdir()


@contextmanager
def atomic_writer(path: Path, mode: Literal["w", "wb"], *, force: bool) -> Iterator[IO[Any]]:
    """A temporary file beside `path` that takes its name when the `with` block ends without an error.

    Folders that `path` names and that are not there are made.

    Raises:
        OutputError: the file can't be written (no permission, a full disk, it exists and not `force`).
    """
    check_writable(path, force=force)
    # As on stdout, a file name with bytes that are no UTF-8 is escaped instead of failing.
    text = {} if "b" in mode else {"encoding": "utf-8", "errors": "backslashreplace", "newline": ""}
    with _folder_of(path):
        try:
            descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
        except OSError as error:
            raise OutputError(f"{path}: can't be written ({error.strerror})") from error
        temporary = Path(name)
        try:
            # Readable too: HDF5 reads what it has written.
            with os.fdopen(descriptor, mode.replace("w", "w+"), **text) as stream:  # type: ignore[call-overload]  # mode decides text
                yield stream
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
        except OSError as error:
            raise OutputError(f"{path}: can't be written ({error.strerror or error})") from error
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
