"""What every test can ask for: the command in this process, and signals made on the spot."""

import io
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Rich and Typer read these when they are imported: output must not depend on where the tests run.
for _name in ("FORCE_COLOR", "GITHUB_ACTIONS", "NO_COLOR"):
    os.environ.pop(_name, None)
os.environ["COLUMNS"] = "120"

import numpy as np
import pytest
import soundfile
from hypothesis import settings
from numpy.typing import NDArray

from audiocnn_cli.commands.main import main
from audiocnn_cli.parameters import use_flags

# The same examples in each run of `make test`; `make test-slow` tries others (HYPOTHESIS_PROFILE=random).
settings.register_profile("same", derandomize=True)
settings.register_profile("random", derandomize=False, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


@dataclass(frozen=True)
class Finished:
    """What a command left behind."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        """stdout as JSON."""
        return json.loads(self.stdout)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Finished]:
    """Run `audiocnn` with these arguments in this process, as the shell would, as a user without models."""
    monkeypatch.setattr("platformdirs.user_data_path", lambda *_, **__: tmp_path / "user data" / "audiocnn")

    def _run(*arguments: str | Path, stdin: bytes = b"") -> Finished:
        streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2)]
        monkeypatch.setattr(sys, "argv", ["audiocnn", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        monkeypatch.setattr(sys, "stdout", streams[0])
        monkeypatch.setattr(sys, "stderr", streams[1])
        with pytest.raises(SystemExit) as ended:
            main()
        texts = []
        for stream in streams:
            stream.flush()
            stream.seek(0)
            texts.append(stream.read())
        use_flags({})  # those of the command, which a shell would have ended
        return Finished(int(ended.value.code or 0), *texts)

    return _run


@pytest.fixture
def make_wav(tmp_path: Path) -> Callable[..., Path]:
    """Write samples (default: two seconds of noise at 22050 Hz) to a WAV file and give its path."""

    def _make(
        name: str = "noise.wav",
        samples: NDArray[Any] | None = None,
        *,
        rate: int = 22050,
        subtype: str = "PCM_16",
    ) -> Path:
        if samples is None:
            samples = 0.1 * np.random.default_rng(0).standard_normal(2 * rate)
        path = tmp_path / name  # a name may hold a slash, and then means a folder too
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, samples, rate, subtype=subtype)
        return path

    return _make
