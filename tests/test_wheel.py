"""The wheel works alone: built, installed into an empty environment, tried from another folder."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def shell(*command: str | Path, cwd: Path) -> str:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    finished = subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the commands of an environment that holds the wheel and what it depends on."""
    folder = tmp_path_factory.mktemp("wheel")
    shell(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "env", with_pip=True)
    commands = folder / "env" / "bin"
    shell(commands / "pip", "install", "--quiet", wheel, cwd=folder)
    return commands


def test_a_clip_is_classified_without_the_extras(installed: Path, tmp_path: Path) -> None:
    clip = ROOT / "examples" / "chords.ogg"
    said = json.loads(shell(installed / "audiocnn", "classify", clip, "--json", cwd=tmp_path))
    assert said["failures"] == []
    assert said["results"][0]["model"] == "genre"


def test_the_bundled_models_lie_inside(installed: Path, tmp_path: Path) -> None:
    path = Path(shell(installed / "audiocnn", "models", "path", "genre", cwd=tmp_path).strip())
    assert installed.parent in path.parents
    shell(installed / "audiocnn", "models", "verify", "genre", cwd=tmp_path)


def test_training_says_which_extra_it_needs(installed: Path, tmp_path: Path) -> None:
    finished = subprocess.run(
        [installed / "audiocnn", "train", ".", "--arch", "cnn", "-o", "x.onnx"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 3
    assert "audiocnn-cli[train]" in finished.stderr
