"""`audiocnn features` at the shell."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Finished

Run = Callable[..., Finished]


@pytest.mark.parametrize(
    "options",
    [
        ["--sr", "99999999999"],
        ["--hop", "99999999999999999999"],
        ["--n-fft", "99999999999"],
        ["--feature", "chroma", "--n-chroma", "1000000"],
        ["--feature", "contrast", "--n-bands", "100000"],
    ],
)
def test_numbers_beyond_reason_are_refused(
    options: list[str], run: Run, make_wav: Callable[..., Path]
) -> None:
    finished = run("features", make_wav(), *options)
    assert finished.exit_code == 2
    assert finished.stderr.count("\n") == 1
    assert "must be at most" in finished.stderr


def test_document_has_shape_and_rates(run: Run, make_wav: Callable[..., Path]) -> None:
    finished = run("features", make_wav(), "--json")
    assert finished.exit_code == 0
    (result,) = finished.document["results"]
    assert result["shape"] == [1 + 44100 // 512, 13]
    assert result["axes"] == ["frame", "coefficient"]
    assert finished.document["failures"] == []


@pytest.mark.parametrize("option", ["--hop", "--n-fft", "--sr", "--n-mels", "--n-mfcc"])
def test_zero_is_refused_with_one_sentence(option: str, run: Run, make_wav: Callable[..., Path]) -> None:
    finished = run("features", make_wav(), option, "0")
    assert finished.exit_code == 2
    assert finished.stderr.count("\n") == 1
    assert "must be at least 1" in finished.stderr
