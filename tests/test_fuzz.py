"""`make fuzz` starts from valid recordings, makes the same mutants again, and notes what goes wrong."""

import importlib
import random
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Finished

BENCHMARKS = str(Path(__file__).parents[1] / "benchmarks")
Run = Callable[..., Finished]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Import a module of benchmarks/."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module


def test_the_originals_are_recordings_that_are_read(load: Any, run: Run, tmp_path: Path) -> None:
    originals = load("mutants").originals()
    suffixes = {each.suffix for each in originals}
    assert {".wav", ".flac", ".ogg", ".mp3", ".aiff", ".caf", ".w64", ".rf64"} <= suffixes
    files = [tmp_path / f"{number}{each.suffix}" for number, each in enumerate(originals)]
    for file, each in zip(files, originals, strict=True):
        file.write_bytes(each.data)
    finished = run("features", *files, "--json", "-q")
    assert finished.document["failures"] == []
    assert len(finished.document["results"]) == len(originals)


def test_a_seed_determines_the_mutants(load: Any) -> None:
    mutants = load("mutants")
    originals = mutants.originals()

    def made(number: int) -> list[tuple[str, bytes]]:
        random_ = random.Random(number)  # noqa: S311 (no secret)
        return [mutants.mutated(originals, random_) for _ in range(50)]

    assert made(1) == made(1)
    assert made(1) != made(2)
    valid = {each.data for each in originals}
    assert sum(data not in valid for _, data in made(1)) > 40


@pytest.mark.parametrize(
    ("code", "finding"),
    [
        ("import sys; print('Note: raw', file=sys.stderr)", "features: on stderr: Note: raw"),
        ("import sys; sys.exit(139)", "features: ended with exit code N"),
        ("pass", "features: no outcome, or several"),
        ("fail('crashed', 'died of SIGSEGV')", "features: crashed: died of SIGSEGV"),
        ("fail('too_large', 'needs more memory')", "features: too_large: needs more memory"),
    ],
)
def test_what_goes_wrong_is_a_finding(
    code: str, finding: str, load: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command of this name that does one thing wrong."""
    fuzz = load("fuzz")
    file = tmp_path / "a.wav"
    file.touch()
    command = tmp_path / "audiocnn"
    command.write_text(
        f"#!{sys.executable}\n"
        "import json, sqlite3, sys\n"
        "path = sys.argv[sys.argv.index('--journal') + 1]\n"
        "sqlite3.connect(path).execute('CREATE TABLE inputs (seconds, path)')\n"
        "def fail(kind, message):\n"
        f"    print(json.dumps({{'path': {str(file)!r}, 'error': {{'kind': kind, 'message': message}}}}))\n"
        f"{code}\n"
    )
    command.chmod(0o755)
    monkeypatch.setattr(fuzz, "AUDIOCNN", str(command))
    found = fuzz.Findings()
    fuzz.run_batch(("features",), [file], 1 << 32, found)
    assert finding in found.findings
    assert found.lost == (Counter(found.outcomes).total() == 0)
