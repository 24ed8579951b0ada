"""What the documents say is so."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from audiocnn_cli import __version__
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
        ["embed"],
        ["search"],
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
    for command in ("features", "shapes", "classify", "embed", "search", "train", "evaluate", "merge"):
        assert run(command, "--version").stdout == version


DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("models/*.md")])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_paths_of_a_document_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    assert [link for link in links if not (document.parent / link).exists()] == []
    named = re.findall(r"`((?:audiocnn_cli|tests|docs|examples|benchmarks)/[\w/.-]+)`", text)
    assert [name for name in named if not (ROOT / name).exists()] == []
    inside = re.findall(r"`((?:api|audio|batch|commands|features|models|output|shapes)/[\w/]+\.py)`", text)
    assert [name for name in inside if not (ROOT / "audiocnn_cli" / name).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_no_document_depends_on_a_folder_that_a_clone_lacks(document: Path) -> None:
    assert "../shared" not in document.read_text(encoding="utf-8")


def test_the_version_is_that_of_the_changelog() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d{2}-\d{2}$", text, re.MULTILINE)
    assert released[0] == __version__
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"version: {__version__}\n" in citation
    assert "Numbers changed" in text.split(f"## [{released[0]}]")[1]
