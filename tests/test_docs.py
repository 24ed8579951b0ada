"""What the documents say is so."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from audiocnn_cli.errors import ExitCode, FailureKind
from tests.conftest import Finished

ROOT = Path(__file__).parent.parent
Run = Callable[..., Finished]


def test_exit_codes_are_those_of_the_enum() -> None:
    page = (ROOT / "docs" / "exit-codes.md").read_text()
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)] == list(ExitCode)
    assert all(f"`{kind}`" in page for kind in FailureKind)


def test_every_dependency_has_its_reason() -> None:
    decisions = (ROOT / "docs" / "decisions.md").read_text()
    project = (ROOT / "pyproject.toml").read_text()
    dependencies = project.split("[project.optional-dependencies]")[0].split("dependencies = [")[1]
    for name in re.findall(r'^\s+"([a-z-]+)', dependencies, re.MULTILINE):
        assert re.search(rf"\*\*[^*]*\b{name}\b[^*]*\*\*", decisions), name


@pytest.mark.parametrize(
    "command",
    [
        ["features"],
        ["shapes"],
        ["classify"],
        ["train"],
        ["evaluate"],
        ["merge"],
        ["models"],
        ["models", "list"],
        ["models", "show"],
        ["models", "verify"],
        ["models", "path"],
        ["models", "add"],
        ["models", "remove"],
        ["models", "export"],
        ["models", "providers"],
    ],
    ids=" ".join,
)
def test_every_help_has_an_example(command: list[str], run: Run) -> None:
    finished = run(*command, "--help")
    assert finished.exit_code == 0
    assert f"audiocnn {' '.join(command)} " in finished.stdout.split("Examples:")[1]


def test_version_on_every_command(run: Run) -> None:
    version = run("--version").stdout
    assert re.fullmatch(r"audiocnn \d+\.\d+\.\d+\n", version)
    for command in ("features", "shapes", "classify", "train", "evaluate", "merge"):
        assert run(command, "--version").stdout == version
