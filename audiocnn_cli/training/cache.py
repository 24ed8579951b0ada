"""Files kept between runs: feature frames, computed once, and checkpoints of unfinished fits.

An entry of frames is a `.f32` file, written clip by clip, and a `.json` file with their lengths that is
written last: an entry without it is ignored. Its name is a hash of the recipe and of the content of every
recording, so that other options or other recordings have an entry of their own.
"""

import hashlib
import json
import os
import pickle
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.errors import FailureKind, OutputError
from audiocnn_cli.evaluation.labelled import LabelledClip
from audiocnn_cli.files import atomic_writer
from audiocnn_cli.training.recipes import Recipe


class FrameCache:
    """The entry in `folder` for the frames of these clips under this recipe; it may not exist yet."""

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
        """The clips without frames, or None when the entry does not exist."""
        try:
            index = json.loads(self._index.read_text())
        except (OSError, ValueError):
            return None
        if not self._data.is_file():
            return None
        return tuple(Failure(p, FailureKind(k), m) for p, k, m in index["failures"])

    def frames(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """All frames (total, bins), memory-mapped, and the first frame of each clip (clips + 1,)."""
        lengths = json.loads(self._index.read_text())["lengths"]
        offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        shape = (int(offsets[-1]), self._bins)
        return np.memmap(self._data, dtype=np.float32, mode="r", shape=shape), offsets

    def write(self, outcomes: Iterable[NDArray[np.float32] | Failure]) -> tuple[Failure, ...]:
        """Write the frames (n, bins) of each clip in order, and return the failures.

        Raises:
            OutputError: the disk is full, or the folder can't be written.
        """
        temporary = self._data.with_suffix(f".{os.getpid()}.part")
        lengths: list[int] = []
        failures: list[Failure] = []
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as stream:
                for outcome in outcomes:
                    if isinstance(outcome, Failure):
                        failures.append(outcome)
                    else:
                        stream.write(outcome.tobytes())
                        lengths.append(len(outcome))
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(self._data)
        except OSError as error:
            raise OutputError(
                f"{self._folder}: the features can't be cached ({error.strerror or error}); free some space"
                " or choose another `cache`"
            ) from error
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        index = {"lengths": lengths, "failures": [(f.path, f.kind, f.message) for f in failures]}
        with atomic_writer(self._index, "w", force=True) as file:
            json.dump(index, file)
        return tuple(failures)


class Checkpoint:
    """One file in `folder` with the state after the last complete epoch of one fit.

    `fingerprint` identifies the data and the configuration, and determines the name of the file.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self._fingerprint = hashlib.sha256(fingerprint.encode()).hexdigest()
        self.path = folder / f"{self._fingerprint[:16]}.pt"

    def save(self, state: dict[str, Any]) -> None:
        """Replace the file by `state`, atomically.

        Raises:
            OutputError: the disk is full, or the folder can't be written.
        """
        import torch  # slow, and workers that compute frames import this module too

        with atomic_writer(self.path, "wb", force=True) as stream:
            torch.save({"fingerprint": self._fingerprint, "run": state}, stream)

    def load(self) -> dict[str, Any] | None:
        """The saved state, if there is one of the same fit."""
        import torch

        try:
            saved = torch.load(self.path, weights_only=True)
        except (OSError, RuntimeError, pickle.UnpicklingError, EOFError):
            return None
        state: dict[str, Any] = saved["run"]
        return state if saved.get("fingerprint") == self._fingerprint else None

    def remove(self) -> None:
        """Delete the file once the training is complete."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
