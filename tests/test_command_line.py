"""What all commands share: groups of options, flags in messages, completion, extras."""

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest
import typer

from audiocnn_cli import extras
from audiocnn_cli.commands.groups import GroupedCommand, flattened
from audiocnn_cli.errors import MissingExtraError
from audiocnn_cli.extras import MODULES, install_command, require_extra
from audiocnn_cli.parameters import use_flags, with_flags
from tests.conftest import Finished
from tests.onnx_models import write_good_model

ROOT = Path(__file__).parent.parent
Run = Callable[..., Finished]
COMMANDS = ("features", "shapes", "classify", "embed", "search", "train", "evaluate", "merge")


@dataclass(frozen=True, kw_only=True)
class Frames:
    heading: ClassVar[str] = "Frames"
    hop_length: Annotated[int, typer.Option("--hop", "--hop-length", help="Samples.")] = 512
    center: Annotated[bool, typer.Option("--center/--no-center")] = True


@dataclass(frozen=True, kw_only=True)
class Sound:
    heading: ClassVar[str] = "Sound"
    channels: Annotated[bool, typer.Option("--channels")] = False


def test_a_group_of_options_is_a_heading_and_a_value(capsys: pytest.CaptureFixture[str]) -> None:
    found: list[Any] = []

    def command(path: str, *, sound: Sound, frames: Frames) -> None:
        """Do something."""
        found.extend([path, sound, frames])

    app = typer.Typer(rich_markup_mode=None)
    app.command(cls=GroupedCommand)(flattened(command))
    with pytest.raises(SystemExit):
        app(["a.wav", "--hop-length", "160", "--no-center"])
    assert found == ["a.wav", Sound(), Frames(hop_length=160, center=False)]
    with pytest.raises(SystemExit):
        app(["--help"])
    text = capsys.readouterr().out
    places = [text.index(part) for part in ("Sound:", "--channels", "Frames:", "--hop", "--center")]
    assert places == sorted(places)
    assert "Options:" not in text


def test_two_groups_with_one_option_are_refused() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Again:
        heading: ClassVar[str] = "Again"
        channels: Annotated[bool, typer.Option("--channels")] = False

    def command(*, sound: Sound, again: Again) -> None: ...

    command.__annotations__["again"] = Again
    with pytest.raises(TypeError, match="channels"):
        flattened(command)


def test_parameters_in_messages_become_flags() -> None:
    message = "`hop_length` is 0: `center=False`, `layout=NT` or `force=True`; not `gone` or `gone=1`"
    assert with_flags(message) == message
    use_flags(
        {
            "hop_length": ("--hop", ""),
            "center": ("--center", "--no-center"),
            "layout": ("--layout", ""),
            "force": ("--force", ""),
        }
    )
    try:
        assert with_flags(message) == (
            "--hop is 0: --no-center, --layout NT or --force; not `gone` or `gone=1`"
        )
    finally:
        use_flags({})


def test_the_command_line_names_the_flag(run: Run, make_wav: Callable[..., Path]) -> None:
    finished = run("features", make_wav(), "--hop", "0", "--json")
    assert finished.exit_code == 2
    assert "--hop" in finished.stderr
    assert "hop_length" not in finished.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_options_stand_under_headings(command: str, run: Run) -> None:
    text = run(command, "--help").stdout
    headings = re.findall(r"^([A-Z][A-Za-z ]+):$", text, re.MULTILINE)
    assert "Options" not in headings
    assert headings[-1] == "Logging"
    assert "Output" in headings
    # Everything is listed once.
    flags = re.findall(r"^  (?:-\w, )?(--[a-z0-9-]+)", text, re.MULTILINE)
    assert len(flags) == len(set(flags))


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["features", "--hop-lenght", "3"], "--hop-length"),
        (["features", "--n-ftt", "3"], "--n-fft"),
        (["train", "--learning-rat", "3"], "--learning-rate"),
        (["shapes", "--samplerate", "3"], "--sample-rate"),
        (["clasify"], "classify"),
        (["models", "lst"], "list"),
        (["embed", "--overlp", "0.5"], "--overlap"),
        (["search", "a.wav", "--exclude-slf"], "--exclude-self"),
    ],
)
def test_a_wrong_word_suggests_the_right_one(typed: list[str], meant: str, run: Run) -> None:
    finished = run(*typed)
    assert finished.exit_code == 2
    assert meant in finished.stderr
    assert finished.stderr.count("\n") == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("audiocnn sh", ["shapes"]),
        ("audiocnn classify --model gen", ["genre", "genre-cnn", "genre-lstm", "genre-mlp"]),
        ("audiocnn shapes --arch resnet", ["resnet18", "resnet50"]),
        ("audiocnn features --feature log", ["logmel"]),
        ("audiocnn models show dig", ["digits"]),
        ("audiocnn embed --model so", ["sound"]),
        ("audiocnn search --model sp", ["speech"]),
        ("audiocnn train --arch lo", ["logmel-cnn"]),
    ],
)
def test_values_complete(shell: str, typed: str, offered: list[str]) -> None:
    words = typed.split()
    environment = {
        **os.environ,
        "_AUDIOCNN_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": typed,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(words) - 1),
    }
    finished = subprocess.run(
        [Path(sys.executable).parent / "audiocnn"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.stderr == ""
    found = re.findall(r"[a-z][a-z0-9-]+", finished.stdout)
    assert set(offered) <= set(found)
    assert not {"esc10", "conv"} & set(found)


def test_extras_are_those_of_the_project() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    section = project.split("[project.optional-dependencies]")[1].split("[project.scripts]")[0]
    named = set(re.findall(r"^(\w+) = \[", section, re.MULTILINE)) - {"dev"}
    assert named == set(MODULES)


@pytest.mark.parametrize(
    ("recorded", "command"),
    [
        (None, "pip install 'audiocnn-cli[av]'"),
        (
            {"url": "file:///src/audio%20cnn", "dir_info": {"editable": True}},
            "pip install -e '/src/audio cnn[av]'",
        ),
        ({"url": "file:///src/audiocnn", "dir_info": {}}, "pip install '/src/audiocnn[av]'"),
        (
            {"url": "file:///w/audiocnn_cli-1-py3-none-any.whl", "archive_info": {}},
            "pip install 'audiocnn-cli[av] @ file:///w/audiocnn_cli-1-py3-none-any.whl'",
        ),
    ],
)
def test_the_install_command_fits_the_installation(
    recorded: dict[str, Any] | None, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Installed:
        def read_text(self, name: str) -> str | None:
            assert name == "direct_url.json"
            return json.dumps(recorded) if recorded else None

    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: Installed())
    assert install_command("av") == command


def test_a_missing_extra_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"reading m4a needs the \[av\] extra: pip install"):
        require_extra("av", "reading m4a")
    monkeypatch.setattr(extras, "find_spec", lambda name: object())
    require_extra("av", "reading m4a")


def test_the_list_of_commands_cuts_no_sentence(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for arguments in ([], ["models"]):
        listed = run(*arguments, "--help").stdout.split("Commands:\n")[1].split("\n\n")[0]
        assert "..." not in listed


QUIET = (
    "features {wav}",
    "features {wav} --explain",
    "shapes --arch cnn",
    "shapes --example",
    "shapes --seconds 1",
    "shapes --diff --input 130x13x1 flatten dense:2",
    "classify {wav}",
    "classify {wav} --why",
    "embed {wav}",
    "search {wav} --in {vectors}",
    "evaluate {folder}",
    "merge {journal}",
    "models list",
    "models show genre-cnn",
    "models verify genre-cnn",
    "models providers",
    "models add {model}",
    "models remove tiny",
    "models export genre-cnn --with-frontend -o {out}",
)


def test_quiet_prints_no_table(run: Run, make_wav: Callable[..., Path], tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    wav, _ = (make_wav(f"data/{label}/{label}.wav") for label in ("jazz", "rock"))
    journal = tmp_path / "run.sqlite"
    assert run("features", wav, "--journal", journal, "-q").stdout == ""
    model = write_good_model(tmp_path / "own.onnx")
    vectors = tmp_path / "vectors.npz"
    assert run("embed", wav, "--model", "sound", "-o", vectors).exit_code == 0
    places = {
        "vectors": vectors,
        "wav": wav,
        "folder": folder,
        "journal": journal,
        "model": model,
        "out": tmp_path / "o.onnx",
    }
    for command in QUIET:
        finished = run(*command.format(**places).split(), "--quiet")
        assert finished.stdout == "", command
        assert finished.exit_code in (0, 1), (command, finished.stderr)
