"""Every numeric option with values beyond reason gives an answer or a sentence, in bounded memory."""

import resource
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

from audiocnn_cli.commands.main import build_app
from tests.conftest import Finished
from tests.onnx_models import write_linear

Run = Callable[..., Finished]
MakeWav = Callable[..., Path]

VALUES = ("nan", "inf", "-inf", "-1", "0", "1e-308", "1e308", "1" + "0" * 30)
NUMERIC = ("IntParamType", "IntRange", "FloatParamType", "FloatRange")
# Options whose numbers are text: sizes in the grammar of layers, a threshold for each label.
AS_TEXT = {
    "shapes": {"input", "kernel", "stride", "padding", "filters", "dilation", "groups"},
    "classify": {"threshold"},
}
# `train` needs the [train] extra, and some of these values are long trainings.
LEFT_OUT = ("train",)
# What an option needs beside it to be used.
BESIDE = {
    ("features", "overlap"): ["--segment", "0.4"],
    ("features", "delta_width"): ["--delta", "1"],
    ("features", "n_chroma"): ["--feature", "chroma", "--tuning", "0"],
    ("features", "tuning"): ["--feature", "tonnetz"],
    ("features", "n_bands"): ["--feature", "contrast"],
    **{("features", f"pcen_{name}"): ["--feature", "pcen"] for name in ("scale", "gain", "bias", "power")},
    **{("features", f"pcen_{name}"): ["--feature", "pcen"] for name in ("time_constant", "eps")},
    ("features", "voicing_threshold"): ["--feature", "f0"],
    ("features", "trough_threshold"): ["--feature", "f0"],
    ("features", "lag"): ["--feature", "onset"],
    ("features", "max_size"): ["--feature", "pcen"],
    ("features", "roll_percent"): ["--feature", "rolloff"],
    ("features", "part_files"): ["--format", "parquet", "-o", "set/", "--force"],
    ("classify", "part_files"): ["--format", "parquet", "-o", "set/", "--force"],
    ("models add", "delta_width"): ["--delta", "1"],
}
MEMORY = 3 << 30


def numeric_options() -> list[tuple[str, str, str]]:
    """The command, name and flag of each option that takes a number."""
    return list(_options_of(typer.main.get_command(build_app()), []))


def _options_of(command: Any, names: list[str]) -> Iterator[tuple[str, str, str]]:
    for name, each in getattr(command, "commands", {}).items():
        yield from _options_of(each, [*names, name])
    title = " ".join(names)
    if hasattr(command, "commands") or title in LEFT_OUT:
        return
    for option in command.params:
        number = type(option.type).__name__ in NUMERIC or option.name in AS_TEXT.get(title, ())
        if option.param_type_name == "option" and number:
            yield title, option.name, max(option.opts, key=len)


@pytest.fixture
def limited_memory() -> Iterator[None]:
    """A limit of the address space of this process and of those that it starts."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.fixture
def arguments(
    tmp_path: Path, make_wav: MakeWav, run: Run, monkeypatch: pytest.MonkeyPatch
) -> dict[str, list[str]]:
    """The other arguments of each command."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    clip = make_wav(samples=0.1 * rng.standard_normal(6000))
    for label in ("blues", "rock"):
        (tmp_path / "data" / label).mkdir(parents=True)
        make_wav(tmp_path / "data" / label / "a.wav", 0.1 * rng.standard_normal(6000))
    Path("labels.txt").write_text("a\nb\nc\n")
    assert run("embed", clip, "--model", "speech", "-o", "vectors.csv").exit_code == 0
    network = write_linear(tmp_path / "network.onnx", ("n", 96, 64), last=None)
    return {
        "features": [str(clip), "--jsonl"],
        "classify": [str(clip), "--jsonl", "--model", "genre-cnn"],
        "embed": [str(clip), "--model", "speech", "--jsonl"],
        "search": [str(clip), "--in", "vectors.csv", "--json"],
        "evaluate": ["data", "--json", "--model", "genre-cnn"],
        "models add": [
            *(str(network), "--labels", "labels.txt", "-o", "added.onnx", "--force", "--json"),
            *("--feature", "logmel", "--n-mels", "64"),
        ],
        "shapes": ["--input", "64x13", "--kernel", "3", "--json"],
    }


def shapes_of(name: str) -> list[str]:
    """The arguments of `shapes` for an option of a clip, of a stack, or of one layer."""
    if name in ("seconds", "samples"):
        return ["conv:8@3x3", "--json"]
    if name in ("sample_rate", "hop_length", "n_fft", "n_mfcc", "n_mels"):
        return ["--seconds", "2", "conv:8@3x3", "--json"]
    if name == "layer":
        return ["--arch", "cnn"]
    return ["--input", "64x13", "--kernel", "3", "--json"]


@pytest.mark.usefixtures("limited_memory")
@pytest.mark.parametrize(("command", "name", "flag"), numeric_options())
def test_a_number_gives_an_answer_or_a_sentence(
    command: str, name: str, flag: str, run: Run, arguments: dict[str, list[str]]
) -> None:
    others = shapes_of(name) if command == "shapes" else arguments[command]
    others = [*others, *BESIDE.get((command, name), [])]
    if flag in others:
        place = others.index(flag)
        del others[place : place + 2]
    for value in VALUES:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            finished = run(*command.split(), *others, f"{flag}={value}")
        context = f"{flag}={value}: {finished.stderr}"
        assert finished.exit_code in (0, 1, 2, 3, 4), context
        assert "Traceback" not in finished.stderr, context
        assert "Warning:" not in finished.stderr, context
        assert "bug in audiocnn" not in finished.stderr, context
        if finished.exit_code == 2:
            assert finished.stderr.count("error: ") == 1, context


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--timeout", "inf"], "--timeout must be above 0 and at most 1,000,000 s, not inf"),
        (["--timeout", "nan"], "--timeout must be above 0 and at most 1,000,000 s, not nan"),
        (["--jobs", "1" + "0" * 30], "--jobs must be 1 to 1024, not 1" + "0" * 30),
        (["--segment", "1e-308"], "--segment must be at least one sample (4.54e-05 s at 22050 Hz)"),
        (["--offset", "1e308"], "--offset must be 0 to 1e+10 s, not 1e+308"),
        (["--duration", "1e308"], "--duration must be above 0 and at most 1e+10 s, not 1e+308"),
        (["--lifter", "1e-308"], "--lifter must be 0 (none), or 1 or more, not 1e-308"),
    ],
)
def test_values_that_are_usage_errors(
    arguments: list[str], sentence: str, run: Run, make_wav: MakeWav
) -> None:
    finished = run("features", make_wav(), *arguments)
    assert finished.exit_code == 2
    assert finished.stderr.startswith(f"error: {sentence}")
    assert finished.stderr.count("\n") == 1


def test_a_floor_that_no_level_reaches_is_none(run: Run, make_wav: MakeWav) -> None:
    clip = make_wav(samples=np.pad(0.5 * np.sin(np.arange(8000)), (0, 8000)))
    deep = run("features", clip, "--top-db", "1e308", "--json")
    none = run("features", clip, "--no-top-db", "--json")
    assert deep.stderr == ""
    assert deep.document["results"][0]["mean"] == none.document["results"][0]["mean"]
