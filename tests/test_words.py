"""No retired word is left: names, comments, docstrings, messages, help, documents, the report page."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Finished
from tests.words import DEFAULT, RETIRED, files, found, found_in

ROOT = Path(__file__).parent.parent
Run = Callable[..., Finished]
HELP = [
    [],
    ["features"],
    ["shapes"],
    ["classify"],
    ["train"],
    ["evaluate"],
    ["merge"],
    ["models"],
    *(["models", name] for name in ("list", "show", "verify", "path", "add", "remove", "export")),
]


def test_code_and_documents() -> None:
    places = [
        f"{path.relative_to(ROOT)}:{number}: {word}: {line[:80]}"
        for path in files([str(ROOT / name) for name in DEFAULT])
        for number, word, line in found(path)
    ]
    assert places == []


@pytest.mark.parametrize("command", HELP, ids=" ".join)
def test_help(command: list[str], run: Run) -> None:
    text = run(*command, "--help").stdout
    assert [word for line in text.splitlines() for word in found_in(line)] == []


@pytest.mark.parametrize(
    "line", ["Hearing", "_hears", "say the label", "the seeds' networks", "WISH", "answered by", "# mends it"]
)
def test_a_retired_word_is_found(line: str) -> None:
    assert list(found_in(line))


@pytest.mark.parametrize("line", ["the essay", "shears", '"jump": 2', "whereas", "task", "basks"])
def test_a_word_that_contains_one_is_not(line: str) -> None:
    assert list(found_in(line)) == []


def test_each_has_something_to_write_instead() -> None:
    assert all(RETIRED.values())
