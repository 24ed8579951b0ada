"""The clips in examples/ are what their script makes, short and small."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile

from tests.conftest import Finished

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
    if clip.name in script.AS_IT_IS:
        rms_db = [10 * np.log10(np.mean(each**2)) for each in (read, made)]
        assert rms_db == pytest.approx([-80, -80], abs=2)
        return
    # Vorbis is lossy, more so for noise: alike, not equal.
    assert np.corrcoef(read, made)[0, 1] > 0.9


def test_the_demo_has_an_answer_of_every_kind(run: Callable[..., Finished]) -> None:
    """What `make demo` shows: a sure label for music, one for the environment, a reason, and no silence."""
    finished = run("classify", FOLDER, "--json")
    results = {Path(each["path"]).name: each for each in finished.document["results"]}
    for name, kind, label in (
        ("violin.ogg", "music", "classical"),
        ("rain.ogg", "environment", "rain"),
        ("metronome.ogg", "environment", "clock_tick"),
    ):
        assert (results[name]["sound_type"]["label"], results[name]["label"]) == (kind, label)
    assert (results["muted.ogg"]["label"], results["muted.ogg"]["reason"]) == (None, "silence")
    for each in results.values():
        assert each["label"] is not None or each["reason"]
    table = run("classify", FOLDER).stdout
    doubts = [each for each in results.values() if each["reason"] not in (None, "silence")]
    assert all(f" {each['top'][0]['label']}? " in table for each in doubts)
    assert " silence " in table
