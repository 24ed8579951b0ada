"""Feature frames on disk: computed once, memory-mapped, never half-written.

A cache entry is one `.npy` file of frames, written as the clips come, and one `.json` file with their
lengths that appears last, so that an entry without it does not count. Its name is a hash of the recipe and
of the content of every recording: other options or other recordings make another entry.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.errors import FailureKind, OutputError
from audiocnn_cli.evaluation.labelled import LabelledClip
from audiocnn_cli.files import atomic_writer
from audiocnn_cli.training.recipes import Recipe

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class FrameCache:
    """The entry in `folder` of these clips' frames under this recipe; it may not be there yet."""

    def __init__(self, folder: Path, recipe: Recipe, clips: Sequence[LabelledClip]) -> None:
        key = {
            "features": asdict(recipe.features),
            "segment": asdict(recipe.segment),
            "anywhere": recipe.anywhere,
            "clips": [(clip.source.path, clip.content) for clip in clips],
        }
        digest = hashlib.sha256(json.dumps(key, default=str).encode()).hexdigest()[:16]
        self._folder = folder
        self._bins = recipe.features.n_bins
        self._index = folder / f"{digest}.json"
        self._data = folder / f"{digest}.f32"

    def failures(self) -> tuple[Failure, ...] | None:
        """The clips that gave no frames, or None when the entry is not there."""
        try:
            index = json.loads(self._index.read_text())
        except (OSError, ValueError):
            return None
        if not self._data.is_file():
            return None
        return tuple(Failure(p, FailureKind(k), m) for p, k, m in index["failures"])

    def frames(self) -> tuple["NDArray[np.float32]", "NDArray[np.int64]"]:
        """All frames (total, bins), mapped from the disk, and where each clip starts (clips + 1,)."""
        import numpy as np

        lengths = json.loads(self._index.read_text())["lengths"]
        offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        shape = (int(offsets[-1]), self._bins)
        return np.memmap(self._data, dtype=np.float32, mode="r", shape=shape), offsets

    @contextmanager
    def writer(self) -> Iterator["FrameWriter"]:
        """Write the entry; it counts from `finish` on, and a part of it is removed.

        Raises:
            OutputError: the disk is full, or the folder can't be written.
        """
        temporary = self._data.with_suffix(f".{os.getpid()}.part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as stream:
                yield FrameWriter(self, stream, temporary)
        except OSError as error:
            raise OutputError(
                f"{self._folder}: the features can't be cached ({error.strerror or error}); make room or"
                " choose another --cache"
            ) from error
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)

    def publish(self, temporary: Path, lengths: Sequence[int], failures: Sequence[Failure]) -> None:
        """Make a whole file of frames the entry."""
        temporary.replace(self._data)
        index = {"lengths": lengths, "failures": [(f.path, f.kind, f.message) for f in failures]}
        with atomic_writer(self._index, "w", force=True) as stream:
            json.dump(index, stream)


class FrameWriter:
    """Appends clips to an entry."""

    def __init__(self, cache: FrameCache, stream: BinaryIO, temporary: Path) -> None:
        self._cache = cache
        self._stream = stream
        self._temporary = temporary
        self._lengths: list[int] = []

    def append(self, frames: "NDArray[np.float32]") -> None:
        """Add one clip's frames (n, bins)."""
        self._stream.write(frames.tobytes())
        self._lengths.append(len(frames))

    def finish(self, failures: Sequence[Failure]) -> None:
        """All clips are there: the entry counts from now on."""
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._cache.publish(self._temporary, self._lengths, failures)
