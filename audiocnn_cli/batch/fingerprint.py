"""What tells one input from another, and whether it has changed."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from audiocnn_cli.audio.remote import version_of
from audiocnn_cli.audio.sources import STDIN, is_remote


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What tells whether an input has changed: size, time, and the content's hash where that is asked for."""

    size: int | None
    mtime_ns: int | None
    content: str | None

    def same(self, other: "Fingerprint") -> bool:
        """Whether the two are of the same content, as far as they know."""
        if self.content is not None and other.content is not None:
            return self.content == other.content
        return (self.size, self.mtime_ns) == (other.size, other.mtime_ns)


def fingerprint(path: str, *, by_content: bool) -> Fingerprint:
    """The fingerprint of an input as it is now; of nothing, where it has no size or can't be read."""
    if is_remote(path):
        size, content = version_of(path)
        return Fingerprint(size, None, content)
    try:
        status = os.stat(path)  # noqa: PTH116 (a third of the time of Path.stat)
        content = None
        if by_content:
            with Path(path).open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, ValueError):  # ValueError: a name with a null character
        return Fingerprint(None, None, None)
    return Fingerprint(status.st_size, status.st_mtime_ns, content)


def place(path: str) -> bytes:
    """Where an input is, however it is called and from wherever: `x`, `./x` and `/folder/x` are one."""
    far = path == STDIN or is_remote(path)
    return os.fsencode(path if far else os.path.abspath(path))  # noqa: PTH100 (odd names)
