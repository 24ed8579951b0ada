"""`audiocnn shapes` at the shell: tables, documents, collapse and bad input."""

import csv
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable

import pytest

from audiocnn_cli.errors import UsageError
from audiocnn_cli.parameters import use_flags
from audiocnn_cli.shapes.choices import ClipRequest
from audiocnn_cli.shapes.clip import read_clip
from audiocnn_cli.shapes.work_out import StackRequest, report_of
from tests.conftest import Finished

Run = Callable[..., Finished]

COURSE_CNN = [
    *("conv:32@3x3", "pool:3/2,same", "conv:64@3x3", "pool:3/2,same", "conv:128@2x2"),
    *("flatten", "dense:64", "dropout:0.1", "dense:10"),
]
# What Keras prints for the stack of the course notes.
CNN_OUTPUTS = [
    [128, 11, 32], [64, 6, 32], [62, 4, 64], [31, 2, 64], [30, 1, 128], [3840], [64], [64], [10],
]  # fmt: skip
CNN_PARAMS = [320, 0, 18496, 0, 32896, 0, 245824, 0, 650]


def test_one_layer_from_flags(run: Run) -> None:
    document = run("shapes", "--input", "130x13", "--kernel", "3", "--json").document
    (layer,) = document["layers"]
    assert document["output"] == layer["output"] == [128, 11, 1]
    assert layer["formula"][0] == "floor((130 - 3 + 0)/1) + 1 = 128"
    assert layer["pad"] == [[0, 0], [0, 0]]


@pytest.mark.parametrize("source", [["--input", "130x13x1", *COURSE_CNN], ["--arch", "cnn"]])
def test_the_course_cnn(source: list[str], run: Run) -> None:
    document = run("shapes", *source, "--json").document
    assert document["input"] == [130, 13, 1]
    assert [layer["output"] for layer in document["layers"]] == CNN_OUTPUTS
    assert [layer["params"] for layer in document["layers"]] == CNN_PARAMS
    assert document["params"] == 298_186
    assert document["layers"][1]["pad"] == [[0, 1], [1, 1]]


def test_the_course_mlp_and_lstm(run: Run) -> None:
    mlp = run("shapes", "--arch", "mlp", "--json").document
    assert [layer["output"] for layer in mlp["layers"]] == [[1690], [512], [256], [64], [10]]
    assert mlp["params"] == 1_014_218
    lstm = run("shapes", "--arch", "lstm", "--json").document
    assert [layer["output"] for layer in lstm["layers"]] == [[130, 64], [64], [64], [64], [10]]
    assert [layer["params"] for layer in lstm["layers"]] == [19968, 33024, 4160, 0, 650]
    torch = run("shapes", "--arch", "lstm", "--framework", "torch", "--json").document
    assert [layer["params"] for layer in torch["layers"]] == [20224, 33280, 4160, 0, 650]


def test_collapse_names_layer_axis_and_working_fixes(run: Run) -> None:
    stack = [part.replace("128@2x2", "128@3x3") for part in COURSE_CNN]
    finished = run("shapes", "--input", "130x13x1", *stack, "--json")
    assert finished.exit_code == 1
    assert finished.stderr.count("\n") == 1
    error = finished.document["error"]
    assert (error["layer"], error["axis"]) == (5, "frequency")
    assert "floor((2 - 3 + 0)/1) + 1 = 0" in error["reason"]
    assert [layer["output"] for layer in finished.document["layers"]] == CNN_OUTPUTS[:4]
    assert len(error["fixes"]) == len(error["commands"]) >= 5
    for command in error["commands"]:
        assert run(*shlex.split(command)[1:]).exit_code == 0, command


def test_longer_input_is_the_shortest_that_works(run: Run) -> None:
    stack = [part.replace("128@2x2", "128@3x3") for part in COURSE_CNN]
    fixes = run("shapes", "--input", "130x13", *stack, "--json").document["error"]["fixes"]
    longer = next(found for fix in fixes if (found := re.match(r"an input of (130x(\d+)x1) ", fix)))
    assert run("shapes", "--input", longer[1], *stack).exit_code == 0
    assert run("shapes", "--input", f"130x{int(longer[2]) - 1}", *stack).exit_code == 1


def test_collapse_is_explained_below_the_layers_before_it(run: Run) -> None:
    finished = run("shapes", "--input", "31x2x64", "--kernel", "3")
    assert finished.exit_code == 1
    assert "collapses on the frequency axis" in finished.stdout
    assert "conv:1@3x2" in finished.stdout
    assert finished.stderr.startswith("error: layer 1")
    assert finished.stderr.count("\n") == 1


def test_csv_has_a_row_a_layer(run: Run) -> None:
    rows = list(csv.DictReader(io.StringIO(run("shapes", "--arch", "cnn", "--csv").stdout)))
    assert [row["output"] for row in rows] == ["x".join(map(str, shape)) for shape in CNN_OUTPUTS]
    assert [int(row["params"]) for row in rows] == CNN_PARAMS
    assert rows[1]["pad"] == "0,1,1,1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--input", "130x13", "--kernel", "0"], "kernel: 0 is too small"),
        (["--input", "130x-13", "--kernel", "3"], "-13 is too small"),
        (["--input", "130xa", "--kernel", "3"], "'a' is not a whole number"),
        (["--input", "9" * 5000, "--kernel", "3"], "beyond the largest size"),
        (["--input", "130x13", "--kernel", "3", "--framework", "caffe"], "'keras', 'torch', 'onnx'"),
        (["--input", "130x13", "--kernel", "3", "--padding", "full"], "padding"),
        (["--input", "130x13", "--kernel", "3", "--pool", "median"], "'max', 'avg'"),
        (["--input", "130x13", "--arch", "cmm"], "unknown architecture 'cmm'"),
        (["--kernel", "3"], "no input shape"),
        (["--input", "130x13"], "none was given"),
        (["--input", "130x13", "--arch", "cnn", "--kernel", "3"], "too many"),
        (["--input", "130x13", "konv:3@3"], "did you mean conv"),
        (["--input", "130x13", "conv:3@3,strid=2"], "character 10"),
        (["--input", "130x13", "conv:3@3x"], "character 8"),
        (["--input", "130x13", "conv"], "conv needs its filters"),
        (["--input", "130x13", "dropout:1.5"], "rate"),
        (["--input", "130x13", "conv:1@3,name=a", "conv:1@3,name=a"], "named 'a'"),
        (["--input", "130x13", "conv:1@3,from=b"], "no layer before it has that name"),
    ],
)
def test_bad_input_is_one_sentence(arguments: list[str], message: str, run: Run) -> None:
    finished = run("shapes", *arguments)
    assert finished.exit_code == 2
    assert finished.stdout == ""
    assert finished.stderr.count("\n") == 1
    assert message in finished.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--input", "130x13", "--kernel", str(10**9)],
        ["--input", "130x13x6", "--kernel", "3", "--groups", "4"],
        ["--input", "130x13x1", "lstm:64"],
        ["--input", "130x13x1", "flatten", "conv:3@3"],
        ["--input", "130x13x1", "reshape:7x7"],
        ["--input", "130x13x1", "conv:3@3", "conv1d:3@3"],
        ["--input", "130x13x1", "conv:3@3x3x3x3"],
    ],
)
def test_what_does_not_fit_exits_with_1(arguments: list[str], run: Run) -> None:
    finished = run("shapes", *arguments)
    assert finished.exit_code == 1
    assert finished.stderr.count("\n") == 1
    document = run("shapes", *arguments, "--json").document
    assert {"layer", "axis", "reason", "fixes"} <= set(document["error"])


def test_huge_sizes_are_only_numbers(run: Run) -> None:
    document = run("shapes", "--input", f"{10**9}x{10**9}", "--kernel", "3", "--json").document
    assert document["output"] == [10**9 - 2, 10**9 - 2, 1]


def test_no_numpy_on_this_path() -> None:
    code = (
        "import sys\n"
        "sys.argv = ['audiocnn', 'shapes', '--arch', 'cnn']\n"
        "from audiocnn_cli.commands.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "assert not {'numpy', 'onnx', 'onnxruntime', 'scipy', 'torch'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_the_shortest_waveform_gets_through_and_one_sample_less_does_not(run: Run) -> None:
    stack = ("conv:64@80/4", "pool:4", "globalavgpool", "dense:10")
    audio = ("--like", "waveform", "--sr", "16000", "--json")
    shortest = run("shapes", "--seconds", "1", *audio, *stack).document["clip"]["shortest_samples"]
    assert run("shapes", "--samples", str(shortest), *audio, *stack).exit_code == 0
    assert run("shapes", "--samples", str(shortest - 1), *audio, *stack).exit_code == 1


def test_a_stack_that_no_single_change_fixes(run: Run) -> None:
    finished = run("shapes", "--arch", "cnn", "--input", "10x5x1")
    assert finished.exit_code == 1
    assert "No single change that was tried fixes it" in finished.stdout


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("audiocnn shapes --arch res", {"resnet18", "resnet50"}),
        ("audiocnn shapes --framework t", {"torch"}),
        ("audiocnn shapes --pool m", {"max"}),
        ("audiocnn shapes --input 9x9 globala", {"globalavgpool"}),
        ("audiocnn shapes --diff cn", {"cnn"}),
    ],
)
def test_values_are_completed_in_bash(line: str, expected: set[str]) -> None:
    variables = {
        "_AUDIOCNN_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(line.count(" ")),
    }
    code = "import sys; sys.argv = ['audiocnn']; from audiocnn_cli.commands.main import main; main()"
    finished = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | variables, capture_output=True, text=True, check=False
    )
    assert set(finished.stdout.split()) == expected


def test_completion_imports_nothing_heavy_for_architectures() -> None:
    code = (
        "import sys\n"
        "from audiocnn_cli.commands.options import completes\n"
        "from audiocnn_cli.shapes.choices import architecture_names\n"
        "assert completes(*architecture_names())('cn') == ['cnn']\n"
        "assert not {'msgspec', 'numpy', 'rich', 'onnx'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("flag", "alias", "value"), [("--hop", "--hop-length", "256"), ("--sr", "--sample-rate", "8000")]
)
def test_options_have_the_names_of_librosa(flag: str, alias: str, value: str, run: Run) -> None:
    clip = ("shapes", "--seconds", "1", "--json")
    assert run(*clip, flag, value).document == run(*clip, alias, value).document


def test_the_cumulative_stride_has_two_keys(run: Run) -> None:
    for layer in run("shapes", "--arch", "cnn", "--seconds", "3", "--json").document["layers"]:
        assert layer.get("cumulative_stride") == layer.get("jump")
        assert layer.get("cumulative_stride_ms") == layer.get("jump_ms")


def test_errors_name_flags_here_and_parameters_in_python(run: Run) -> None:
    finished = run("shapes", "--input", "130x13", "--arch", "cnn", "--kernel", "3")
    assert finished.stderr == (
        "error: give layers, --arch, --file, or --kernel and its options:"
        " --arch and --kernel or --pool are too many\n"
    )
    use_flags({})
    with pytest.raises(UsageError, match="`kernel`: 0 is too small"):
        report_of(StackRequest(input_shape="130x13", one_layer={"kernel": "0"}))
    with pytest.raises(UsageError, match="`framework=caffe`: must be one of keras, torch, onnx"):
        report_of(StackRequest(input_shape="130x13", layers=("relu",), framework="caffe"))
    with pytest.raises(UsageError, match="`hop_length` must be from 1"):
        read_clip(ClipRequest(samples=100, hop_length=0))
