"""`audiocnn shapes net.py:Net` and `.pt2`: PyTorch modules read through their export."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

from audiocnn_cli.shapes.work_out import is_network
from tests.conftest import Finished

Run = Callable[..., Finished]
NETWORK = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(1, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.b = nn.Linear(8, 10)

    def forward(self, x):
        x = torch.relu(self.norm(self.a(x)))
        return self.b(x.mean((2, 3)))


class Two(nn.Module):
    def forward(self, x, y):
        return torch.cat([x, y], 1)


class NeedsWidth(nn.Module):
    def __init__(self, width):
        super().__init__()


def wave():
    return nn.Sequential(nn.Conv1d(40, 6, 5), nn.ReLU())


tokens = nn.Embedding(50, 16)
number = 3
"""
has_torch = importlib.util.find_spec("torch") is not None


@pytest.fixture
def net(tmp_path: Path) -> Path:
    path = tmp_path / "net.py"
    path.write_text(NETWORK, encoding="utf-8")
    return path


def test_what_names_a_module() -> None:
    assert is_network("folder/net.py:Net")
    assert is_network("program.pt2")
    assert not any(map(is_network, ("net.py", "conv:32@3x3", "net.py:", "net.py:1", ":Net")))


@pytest.mark.skipif(has_torch, reason="PyTorch is installed")
def test_without_pytorch_the_extra_is_named(run: Run, net: Path) -> None:
    for text in (f"{net}:Net", net.with_name("x.pt2")):
        finished = run("shapes", text, "--input", "1x40x200")
        assert finished.exit_code == 3
        assert finished.stderr.count("\n") == 1
        assert "[train]" in finished.stderr


@pytest.mark.train
def test_a_module_is_read_like_an_onnx_file(run: Run, net: Path) -> None:
    pytest.importorskip("torch")
    document = run("shapes", f"{net}:Net", "--input", "1x40x200", "--json").document
    assert [layer["type"] for layer in document["layers"]] == ["conv", "batchnorm", "globalavgpool", "dense"]
    assert document["params"] == 80 + 16 + 90
    assert document["macs"] == 40 * 200 * 72 + 80
    assert document["inputs"][0]["shape"] == [1, 1, 40, 200]
    # With the channels last, as the features of this program are.
    last = run("shapes", f"{net}:Net", "--input", "40x200x1", "--json").document
    assert last["layers"][0]["output"] == document["layers"][0]["output"]


@pytest.mark.train
def test_functions_instances_and_several_arguments(run: Run, net: Path) -> None:
    pytest.importorskip("torch")
    wave = run("shapes", f"{net}:wave", "--input", "40x200", "--json").document
    assert (wave["output"], wave["params"]) == ([196, 6], 6 * 40 * 5 + 6)
    tokens = run("shapes", f"{net}:tokens", "--input", "12", "--json").document
    assert (tokens["output"], tokens["params"]) == ([12, 16], 800)
    two = run("shapes", f"{net}:Two", "--input", "3x5", "--input", "4x5", "--json").document
    assert two["outputs"][0]["shape"] == [1, 7, 5]


@pytest.mark.train
def test_an_exported_program(run: Run, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    program = torch.export.export(torch.nn.Linear(7, 3), (torch.zeros(2, 7),))
    path = tmp_path / "net.pt2"
    torch.export.save(program, path)
    document = run("shapes", path, "--json").document
    assert (document["output"], document["params"], document["macs"]) == ([3], 24, 21)
    path.write_bytes(b"no program")
    finished = run("shapes", path)
    assert (finished.exit_code, finished.stdout) == (2, "")
    assert "no exported program" in finished.stderr


@pytest.mark.train
@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("Net", (), "needs its input shape"),
        ("Net", ("--input", "3x40x200"), "does not run on 3x40x200"),
        ("Nothing", ("--input", "1x40x200"), "it has no 'Nothing'"),
        ("NeedsWidth", ("--input", "1x40x200"), "can't be called without arguments"),
        ("number", ("--input", "1x40x200"), "no torch.nn.Module"),
        ("Net", ("--input", "T=40"), "needs its input shape"),
        ("Net", ("--input", "1x40x200", "--arch", "cnn"), "leave out"),
    ],
)
def test_what_can_not_be_read(name: str, options: tuple[str, ...], message: str, run: Run, net: Path) -> None:
    pytest.importorskip("torch")
    finished = run("shapes", f"{net}:{name}", *options)
    assert (finished.exit_code, finished.stdout) == (2, "")
    assert finished.stderr.count("\n") == 1
    assert message in finished.stderr


@pytest.mark.train
def test_errors_of_the_users_code_are_one_sentence(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    path = tmp_path / "broken.py"
    path.write_text("import torch\n1 / 0\n", encoding="utf-8")
    finished = run("shapes", f"{path}:Net", "--input", "1x8")
    assert "can't be imported (ZeroDivisionError: division by zero)" in finished.stderr
    assert finished.exit_code == 2
    assert "no such file" in run("shapes", f"{tmp_path / 'none.py'}:Net", "--input", "1x8").stderr
