"""`--arch list`, `--code`, `--latex` and the clips of architectures at the shell."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from audiocnn_cli.shapes.choices import architecture_names
from audiocnn_cli.shapes.stackfile import read_stack
from tests.conftest import Finished

Run = Callable[..., Finished]


def test_the_list_is_that_of_the_contract(run: Run) -> None:
    listed = run("shapes", "--arch", "list", "--json").document["architectures"]
    assert [each["name"] for each in listed] == list(architecture_names())
    by_name = {each["name"]: each for each in listed}
    assert by_name["gpt2"]["params"] == 124_439_808
    assert "lenet" in by_name["lenet5"]["aliases"]
    assert all(each["source"] for each in listed)


def test_the_list_in_other_formats(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = list(csv.DictReader(io.StringIO(run("shapes", "--arch", "list", "--csv").stdout)))
    assert {row["name"]: row["params"] for row in rows}["resnet50"] == "25557032"
    assert len(run("shapes", "--arch", "list", "--jsonl").stdout.splitlines()) == len(rows)
    assert run("shapes", "--arch", "list", "--markdown").stdout.count("\n|") >= len(rows)
    for columns in (60, 80, 120):
        monkeypatch.setenv("COLUMNS", str(columns))
        lines = run("shapes", "--arch", "list").stdout.splitlines()
        assert max(map(len, lines)) <= columns
        assert any("124,439,808" in line for line in lines)


@pytest.mark.parametrize(
    "more", [["relu"], ["--input", "9x9"], ["--kernel", "3"], ["--code", "torch"], ["--latex"]]
)
def test_the_list_takes_no_stack(more: list[str], run: Run) -> None:
    finished = run("shapes", "--arch", "list", *more)
    assert (finished.exit_code, finished.stdout) == (2, "")


def test_code_is_printed_and_written(run: Run, tmp_path: Path) -> None:
    stack = ("--input", "(None, 130, 13, 1)", "Conv2D:32@3x3", "MaxPooling2D:3/2,same", "Flatten", "Dense:10")
    keras = run("shapes", *stack, "--code", "keras").stdout
    assert 'x = layers.MaxPooling2D(3, strides=2, padding="same")(x)' in keras
    path = tmp_path / "net.py"
    assert run("shapes", *stack, "--code", "torch", "-o", str(path)).stdout == ""
    text = path.read_text()
    assert "class Net(nn.Module):" in text
    compile(text, str(path), "exec")
    compile(keras, "model.py", "exec")
    again = run("shapes", *stack, "--code", "torch", "-o", str(path))
    assert again.exit_code != 0  # an existing file stays without --force
    assert run("shapes", *stack, "--code", "torch", "-o", str(path), "--force").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--code", "torch", "--json"], 2, "leave out --json"),
        (["--code", "torch", "--latex"], 2, "--code or --latex"),
        (["--code", "torch", "--explain"], 2, "--code and --latex print one stack"),
        (
            ["--code", "keras", "--framework", "torch"],
            2,
            "--framework torch has other rules than --code keras",
        ),
        (["--code", "tensorflow"], 2, "'keras', 'torch'"),
        (["--latex", "-o", "song.wav"], 2, "recordings are not overwritten"),
        (["--code", "torch", "avgpool:2,dilation=2"], 2, "PyTorch has no average pooling with a dilation"),
        (["--code", "torch", "conv:3@99"], 1, "collapses on the time axis"),
    ],
)
def test_code_is_refused_in_one_sentence(arguments: list[str], code: int, message: str, run: Run) -> None:
    layers = [] if arguments[-1].startswith(("avgpool", "conv")) else ["relu"]
    finished = run("shapes", "--input", "20x20x1", *arguments, *layers)
    assert (finished.exit_code, finished.stdout) == (code, "")
    assert finished.stderr.count("\n") == 1
    assert message in finished.stderr


def test_an_onnx_file_is_no_typed_stack(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.touch()
    finished = run("shapes", str(path), "--code", "torch")
    assert finished.exit_code == 2
    assert "an ONNX file" in finished.stderr


def test_latex_is_printed(run: Run) -> None:
    text = run("shapes", "--arch", "cnn", "--latex").stdout
    assert text.startswith("% In the preamble")
    assert r"\frac{130 - 3 + 0}{1}" in text


def test_an_architecture_has_the_input_of_its_kind(run: Run) -> None:
    wavenet = run("shapes", "--arch", "wavenet", "--seconds", "2", "--json").document
    assert wavenet["input"] == [32000, 256]  # 16 kHz
    slower = run("shapes", "--arch", "wavenet", "--seconds", "2", "--sr", "8000", "--json").document
    assert slower["input"] == [16000, 256]
    wav2vec = run("shapes", "--arch", "wav2vec2", "--seconds", "1", "--json").document
    assert (wav2vec["input"], wav2vec["output"]) == ([16000, 1], [49, 512])
    assert wav2vec["clip"]["shortest_samples"] == 400
    yamnet = run("shapes", "--arch", "yamnet", "--seconds", "0.96", "--frames", "hops", "--json").document
    assert yamnet["input"] == [96, 64, 1]
    assert run("shapes", "--arch", "cnn", "--seconds", "3", "--json").document["input"] == [130, 13, 1]


def test_tokens_are_no_clip(run: Run) -> None:
    finished = run("shapes", "--arch", "gpt2", "--seconds", "3")
    assert finished.exit_code == 2
    assert "gpt2 takes tokens, not a clip" in finished.stderr


def test_several_outputs_have_rows_and_a_key(run: Run) -> None:
    stack = (
        "--input",
        "20x20x1",
        "conv:4@3,name=map",
        "conv:2@1,name=classes",
        "conv:4@1,from=map,name=boxes",
    )
    document = run("shapes", *stack, "--json").document
    assert document["outputs"] == [
        {"name": "classes", "shape": [18, 18, 2]},
        {"name": "boxes", "shape": [18, 18, 4]},
    ]
    table = run("shapes", *stack).stdout
    assert "output classes" in table
    assert "output boxes" in table
    assert "outputs" not in run("shapes", "--input", "20x20x1", "conv:4@3", "--json").document


def test_pytorch_refuses_a_padding_of_more_than_half_the_window(run: Run) -> None:
    stack = ("--input", "20x20x1", "pool:2,pad=2", "--json")
    assert run("shapes", *stack).document["output"] == [12, 12, 1]
    finished = run("shapes", *stack, "--framework", "torch")
    assert finished.exit_code == 1
    assert "at most half the window of 2, which is 1" in finished.document["error"]["reason"]
    assert finished.document["error"]["fixes"][0] == "pool:2,pad=1 as layer 1 (padding 1)"


FILE = """
input = "(None, 56, 56, 64)"
aliases = ["mine"]
note = "a note"
clip = {{ sample_rate = 8000 }}
layers = [
  {{ block = "residual", outputs = {{ sum = "first" }} }},
  "relu", "conv:64@3x3,same,from=first,weights=conv_1",
]
[blocks]
residual = ["conv:64@3x3,same", "add:in,name=sum"]
{more}
"""


def test_a_block_has_outputs_for_the_layers_after_it(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "net.toml"
    path.write_text(FILE.format(more=""))
    document = run("shapes", "--file", str(path), "--json").document
    assert [layer["params"] for layer in document["layers"]] == [36928, 0, 0, 0]
    assert document["layers"][3]["formula"][-1] == "weights of conv_1"
    assert document["notes"] == ["a note"]
    assert read_stack(path).clip == {"sample_rate": 8000}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("sum = ", "none = ", "no layer named 'none'"),
        ("sample_rate", "speed", "clip: speed"),
        ('["mine"]', '"mine"', "aliases must be a list"),
        ("weights=conv_1", "weights=conv_9", "no layer before it has that name"),
        ('"a note"', "3", "note must be text"),
    ],
)
def test_a_bad_file_is_one_sentence(old: str, new: str, message: str, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "net.toml"
    path.write_text(FILE.format(more="").replace(old, new))
    finished = run("shapes", "--file", str(path))
    assert finished.exit_code == 2
    assert finished.stderr.count("\n") == 1
    assert message in finished.stderr


def test_sizes_of_one_layer_are_written_in_either_way(run: Run) -> None:
    by_x = run("shapes", "--input", "20x20x1", "--kernel", "3x2", "--stride", "2x1", "--json").document
    for kernel, stride in (("3,2", "2,1"), ("(3, 2)", "(2, 1)")):
        options = ("--input", "20,20,1", "--kernel", kernel, "--stride", stride, "--json")
        assert run("shapes", *options).document == by_x


def test_other_weights_do_not_fit(run: Run) -> None:
    stack = ("--input", "20x20x1", "conv:4@3,name=a", "conv:4@3,weights=a")
    finished = run("shapes", *stack, "--json")
    assert finished.exit_code == 1
    assert "the weights of 'a' do not fit" in finished.document["error"]["reason"]
