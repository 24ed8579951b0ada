"""The state of an interrupted training, beside the model that it will make."""

import hashlib
import pickle
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from audiocnn_cli.files import atomic_writer


class Resumable(Protocol):
    """What can be saved and gone on with."""

    def state(self) -> dict[str, Any]:
        """All that changes."""

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from there."""


class Checkpoint:
    """One file in `folder` that holds the last whole epoch of one fit.

    `fingerprint` names the data and the configuration, and with it the file: another fit has another.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self._fingerprint = hashlib.sha256(fingerprint.encode()).hexdigest()
        self.path = folder / f"{self._fingerprint[:16]}.pt"

    def save(self, run: Resumable) -> None:
        """Replace the file by the state of `run`, whole or not at all.

        Raises:
            OutputError: the disk is full, or the folder can't be written.
        """
        import torch

        with atomic_writer(self.path, "wb", force=True) as stream:
            torch.save({"fingerprint": self._fingerprint, "run": run.state()}, stream)

    def remove(self) -> None:
        """The training is done: the file has served."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    def load(self, run: Resumable) -> None:
        """Give `run` the state in the file, if there is one of the same fit."""
        import torch

        try:
            saved = torch.load(self.path, weights_only=True)
        except (OSError, RuntimeError, pickle.UnpicklingError, EOFError):
            return
        if saved.get("fingerprint") == self._fingerprint:
            run.restore(saved["run"])
