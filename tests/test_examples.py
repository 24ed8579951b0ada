"""The clips in examples/ are what their script makes, short and small."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile

FOLDER = Path(__file__).parent.parent / "examples"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_examples", FOLDER / "make_examples.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_four_or_more_in_300_kb() -> None:
    clips = list(FOLDER.glob("*.ogg"))
    assert len(clips) >= 4
    assert sum(clip.stat().st_size for clip in clips) <= 300_000


@pytest.mark.parametrize("clip", sorted(FOLDER.glob("*.ogg")), ids=lambda clip: str(clip.name))
def test_the_script_makes_them(clip: Path, script: ModuleType) -> None:
    made = script.CLIPS[clip.name]()
    read, rate = soundfile.read(clip)
    assert rate == script.RATE
    assert len(read) == len(made)
    # Vorbis is lossy, more so for noise: alike, not equal.
    assert np.corrcoef(read, made)[0, 1] > 0.9
