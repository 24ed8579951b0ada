"""Folders and patterns on other machines, as fsspec lists them."""

from collections.abc import Iterator
from typing import Any

from audiocnn_cli.errors import FailureKind, InputError, MissingExtraError

_WEB = ("http://", "https://")


def names_one(url: str) -> bool:
    """Whether a URL is that of one recording: on the web `*` and `?` are no patterns."""
    return url.startswith(_WEB) and not url.endswith("/")


def list_remote(url: str) -> Iterator[tuple[str, str]]:
    """The files below a folder, or that a pattern matches, as (URL, path below the folder), lazily.

    Nothing is yielded for what is neither.

    Raises:
        InputError: it can't be listed.
        MissingExtraError: fsspec is not installed.
    """
    files, root = _reach(url)
    root = root.rstrip("/")
    try:
        if "*" in root or "[" in root:
            fixed = root[: min(root.index(sign) for sign in "*[" if sign in root)].rpartition("/")[
                0
            ]
            for path in sorted(files.glob(root)):
                yield files.unstrip_protocol(path), path[len(fixed) :].lstrip("/")
        elif files.isdir(root):
            yield from _walk(files, root)
    except PermissionError as error:
        raise InputError(url, FailureKind.PERMISSION, "no permission to list it") from error
    except Exception as error:  # every file system fails in its own way
        reason = str(error) or type(error).__name__
        raise InputError(url, FailureKind.NOT_FOUND, f"can't be listed ({reason})") from error


def version_of(url: str) -> tuple[int | None, str | None]:
    """The size of a remote file and a mark of its content; nothing where that would be a request each.

    What a listing has told already costs nothing. Web servers are not asked.
    """
    if url.startswith(_WEB):
        return None, None
    try:
        files, path = _reach(url)
        told = files.info(path)
        size = told.get("size")
        return (size if isinstance(size, int) else None), str(files.checksum(path))
    except Exception:  # it will be said when it is read
        return None, None


def _reach(url: str) -> tuple[Any, str]:
    try:
        import fsspec
    except ImportError as error:
        raise MissingExtraError(f"reading {url}", "remote") from error
    try:
        files, root = fsspec.core.url_to_fs(url)
    except Exception as error:  # no such protocol, or its own package is missing
        raise InputError(url, FailureKind.NOT_FOUND, f"can't be opened ({error})") from error
    return files, root


def _walk(files: Any, root: str) -> Iterator[tuple[str, str]]:
    for folder, folders, names in files.walk(root):
        folders.sort()
        for name in sorted(names):
            path = f"{folder.rstrip('/')}/{name}"
            yield files.unstrip_protocol(path), path[len(root) :].lstrip("/")
