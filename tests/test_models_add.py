"""`audiocnn models add` with --labels: a model from elsewhere is used like a bundled one from then on."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import onnx
import onnxruntime
import pytest
import scipy.special
from onnx import TensorProto, helper, numpy_helper

from audiocnn_cli.models.session import open_model
from tests.conftest import Finished
from tests.onnx_models import random_matrix, write_graph, write_linear, write_nodes, write_with_lengths

Run = Callable[..., Finished]
MakeWav = Callable[..., Path]
LABELS = ("ant", "bee", "cat")
LOGMEL = ("--feature", "logmel", "--n-mels", "64", "--n-fft", "512", "--hop", "160", "--sr", "16000")


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.txt"
    path.write_text("ant\nbee\r\ncat\n\n")
    return path


def scores(run: Run, clip: Path, model: Path | str) -> dict[str, float]:
    finished = run("classify", clip, "--model", model, "--threshold", "0", "--json")
    assert finished.exit_code == 0, finished.stderr
    (result,) = finished.document["results"]
    return {each["label"]: each["probability"] for each in result["top"]}


def test_scores_are_those_of_librosa_and_numpy(
    run: Run, tmp_path: Path, labels: Path, make_wav: MakeWav
) -> None:
    path = write_linear(tmp_path / "m.onnx", ("n", 1, 96, 64), last=None)
    added = run("models", "add", path, "--labels", labels, *LOGMEL, "--normalize", "-30,20")
    assert added.exit_code == 0, added.stderr
    assert "so softmax is applied; --activation overrides" in added.stderr
    clip = make_wav(rate=16000)
    signal, _ = librosa.load(clip, sr=16000)
    rows = []
    for start in (0, 15200, 32000 - 15200):
        segment = signal[start : start + 15200]
        mel = librosa.feature.melspectrogram(y=segment, sr=16000, n_fft=512, hop_length=160, n_mels=64)
        tensor = (librosa.power_to_db(mel).T + 30) / 20
        rows.append(scipy.special.softmax(tensor.reshape(-1) @ random_matrix(96 * 64)))
    count = run("classify", clip, "--model", "m", "--json").document["results"][0]["segments"]
    expected = dict(zip(LABELS, np.mean(rows[:count], axis=0), strict=True))
    assert scores(run, clip, "m") == pytest.approx(expected, abs=1e-4)


NETWORKS: dict[str, Callable[[Path], Path]] = {
    "free frames": lambda path: write_with_lengths(path, TensorProto.INT64, ["n"]),
    "scalar of lengths": lambda path: write_with_lengths(path, TensorProto.INT32, []),
    "channel axis": lambda path: write_linear(path, ("n", 1, 64, 96), last=None),
    "one segment": lambda path: write_linear(path, (1, 96, 64), last=None),
    "one segment, channel last": lambda path: write_linear(path, (1, 64, 96, 1)),
    "independent": lambda path: write_linear(path, ("n", 96, 64), last="Sigmoid"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_command_takes_it(name: str, run: Run, tmp_path: Path, labels: Path, make_wav: MakeWav) -> None:
    file = NETWORKS[name](tmp_path / "some file.onnx")
    options = ("--segment", "0.5") if "free" in name or "scalar" in name else ()
    normalize = tmp_path / "stats.txt"
    np.savetxt(normalize, [np.linspace(-60, -20, 64), np.linspace(10, 20, 64)])
    added = run(
        *("models", "add", file, "--labels", labels, *LOGMEL, *options, "--json"),
        *("--normalize", normalize, "--name", "net", "--task", "insects"),
    )
    assert added.exit_code == 0, added.stderr
    assert added.document["name"] == "net"
    file.unlink()
    clips = tmp_path / "clips"
    for i, label in enumerate(LABELS):
        (clips / label).mkdir(parents=True)
        tone = np.sin(np.arange(20000) * (0.05 + 0.1 * i)).astype(np.float32) / 2
        make_wav(clips / label / "a.wav", tone, rate=16000)
    clip = clips / "ant" / "a.wav"

    assert run("models", "verify", "net").exit_code == 0
    contract = run("models", "show", "net", "--json").document
    assert (contract["task"], contract["data"]["name"]) == ("insects", "not stated")
    card = run("models", "show", "net").stdout
    assert "Not measured" in card
    assert "audiocnn evaluate RECORDINGS/ --model net" in card
    assert "insects" in run("models", "list").stdout
    assert run("evaluate", clips, "--model", "net", "--json").document["clips"] == 3
    page = tmp_path / "page.html"
    assert run("classify", clip, "--model", "net", "--report", page).exit_code == 0
    assert page.stat().st_size > 10_000
    traced = run("classify", clip, "--model", "net", "--trace", "--why", "--json")
    assert traced.exit_code == 0, traced.stderr

    whole = tmp_path / "whole.onnx"
    exported = run("models", "export", "net", "--with-frontend", "-o", whole, "--json")
    assert exported.exit_code == 0, exported.stderr
    session = onnxruntime.InferenceSession(whole)
    signal, _ = librosa.load(clip, sr=16000)
    (found,) = session.run(None, {"waveform": np.stack([signal, signal])})
    expected = scores(run, clip, "net")
    np.testing.assert_allclose(found, [[expected[label] for label in LABELS]] * 2, atol=1e-3)


def test_a_waveform_model_is_exported_with_its_segments(
    run: Run, tmp_path: Path, labels: Path, make_wav: MakeWav
) -> None:
    path = write_linear(tmp_path / "wave.onnx", ("n", 8000))
    added = run("models", "add", path, "--labels", labels, "--feature", "waveform", "--sr", "16000")
    assert added.exit_code == 0, added.stderr
    whole = tmp_path / "whole.onnx"
    assert run("models", "export", "wave", "--with-frontend", "-o", whole).exit_code == 0
    clip = make_wav(rate=16000)
    signal, _ = librosa.load(clip, sr=16000)
    (found,) = onnxruntime.InferenceSession(whole).run(None, {"waveform": signal[None]})
    expected = scores(run, clip, "wave")
    np.testing.assert_allclose(found[0], [expected[label] for label in LABELS], atol=1e-3)


def test_features_that_no_front_end_can_compute(run: Run, tmp_path: Path, labels: Path) -> None:
    path = write_linear(tmp_path / "chroma.onnx", ("n", 96, 12))
    run("models", "add", path, "--labels", labels, "--feature", "chroma", "--sr", "16000")
    finished = run("models", "export", "chroma", "--with-frontend", "-o", tmp_path / "x.onnx")
    assert finished.exit_code == 4
    assert "(feature chroma)" in finished.stderr


def test_o_writes_a_file_with_its_card_instead(run: Run, tmp_path: Path, labels: Path) -> None:
    path = write_linear(tmp_path / "net.onnx", ("n", 96, 64))
    content = path.read_bytes()
    target = tmp_path / "out" / "insects.onnx"
    arguments = ("models", "add", path, "--labels", labels, *LOGMEL, "-o", target)
    assert run(*arguments).exit_code == 0
    assert (path.read_bytes(), (tmp_path / "user data").exists()) == (content, False)
    assert f"--model {shlex.quote(str(target))}" in target.with_suffix(".md").read_text()
    assert run("models", "verify", target).exit_code == 0
    again = run(*arguments)
    assert (again.exit_code, again.stderr.count("\n")) == (3, 1)
    assert run(*arguments, "--force").exit_code == 0
    wrong = run("models", "add", path, "--labels", labels, *LOGMEL, "-o", tmp_path / "x.bin")
    assert (wrong.exit_code, "ends in .onnx" in wrong.stderr) == (2, True)


def test_weights_in_other_files_are_put_into_the_copy(run: Run, tmp_path: Path, labels: Path) -> None:
    """As PyTorch's exporter writes them by default."""
    given = tmp_path / "given"
    given.mkdir()
    path = write_linear(given / "net.onnx", ("n", 96, 64))
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="net.data", size_threshold=16)
    added = run("models", "add", path, "--labels", labels, *LOGMEL, "--json")
    assert added.exit_code == 0, added.stderr
    (given / "net.data").unlink()
    assert run("models", "verify", "net").exit_code == 0
    missing = run("models", "add", path, "--labels", labels, *LOGMEL)
    assert (missing.exit_code, missing.stderr.count("\n")) == (4, 1)


def test_a_config_file_states_the_features(run: Run, tmp_path: Path, labels: Path) -> None:
    path = write_linear(tmp_path / "m.onnx", ("n", 96, 64))
    config = tmp_path / "logmel.toml"
    config.write_text('feature = "logmel"\nn_mels = 40\n')
    arguments = ("models", "add", path, "--labels", labels, "--config", config)
    refused = run(*arguments)
    assert refused.exit_code == 4
    assert "N x 130 x 40" in refused.stderr
    assert run(*arguments, "--n-mels", "64").exit_code == 0
    config.write_text("segment = 1.0\n")
    several = run(*arguments)
    assert (several.exit_code, "mono segments" in several.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--n-mels", "64"), "add --labels"),
        (("--segment", "1"), "add --labels"),
        (("--multi-label",), "add --labels"),
        (("--name", "x"), "add --labels"),
        (("--labels", "nope.txt", *LOGMEL), "--labels nope.txt: can't be read"),
        (("--labels", "labels.txt", *LOGMEL, "--normalize", "1"), "--normalize 1: give"),
        (("--labels", "labels.txt", *LOGMEL, "--name", "a/b"), "can't be a file name"),
        (("--labels", "labels.txt", *LOGMEL, "--name", "genre"), "name of a bundled model"),
        (("--labels", "labels.txt", *LOGMEL, "--threshold", "2"), "--threshold"),
        (("--labels", "labels.txt", "--feature", "mfcc,rms"), "one feature"),
        (("--labels", "labels.txt", "--feature", "complex"), "--feature complex"),
    ],
)
def test_options_that_are_refused(
    arguments: tuple[str, ...],
    message: str,
    run: Run,
    tmp_path: Path,
    labels: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_linear(tmp_path / "m.onnx", ("n", 96, 64))
    finished = run("models", "add", path, *arguments)
    assert finished.exit_code == 2
    assert message in finished.stderr
    assert finished.stderr.count("\n") == 1
    assert not (tmp_path / "user data").exists()


def test_a_file_with_a_contract_takes_no_labels(run: Run, labels: Path) -> None:
    path = run("models", "path", "genre-cnn").stdout.strip()
    finished = run("models", "add", path, "--labels", labels)
    assert finished.exit_code == 2
    assert "leave out --labels" in finished.stderr


BARE: list[tuple[list[Any], str]] = [
    (["n", 1, 64, "t"], "--feature logmel --n-mels 64"),
    (["n", "t", 64], "--feature logmel --n-mels 64"),
    (["n", 1, 96, 64], "--feature logmel --n-mels 64"),
    ([1, 1, 128, 44], "--feature logmel --n-mels 128"),
    (["n", 13, "t"], "--feature mfcc --n-mfcc 13"),
    (["n", 130, 13, 1], "--feature mfcc --n-mfcc 13"),
    ([96, 64], "--feature logmel --n-mels 64"),
    (["n", 64, 64], "--feature logmel --n-mels 64 --layout LAYOUT"),
    (["n", "a", "b"], "--feature FEATURE --layout LAYOUT"),
    (["n", 3, 64, 96], "--feature FEATURE"),
    (["n", 16000], "--feature waveform"),
    (["n", 1, "samples"], "--feature waveform"),
    (["samples"], "--feature waveform"),
]


@pytest.mark.parametrize(("shape", "features"), BARE, ids=str)
def test_a_bare_file_is_refused_with_the_command_that_adds_it(
    shape: list[Any], features: str, run: Run, tmp_path: Path, make_wav: MakeWav
) -> None:
    path = write_nodes(
        tmp_path / "bare model.onnx",
        [
            helper.make_node("ReduceMean", ["x"], ["m"], keepdims=0),
            helper.make_node("Mul", ["m", "w"], ["y"]),
        ],
        inputs=[helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        outputs=[helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 10])],
        constants=[numpy_helper.from_array(np.ones((1, 10), dtype=np.float32), "w")],
    )
    for command in (("classify", make_wav(), "--model", path), ("models", "add", path)):
        finished = run(*command)
        assert (finished.exit_code, finished.stderr.count("\n")) == (4, 1)
        command_line = finished.stderr.split("`")[1]
        expected = f"audiocnn models add '{path}' --labels LABELS.txt --sr RATE {features}"
        assert command_line == expected
        assert "10 lines for y" in finished.stderr


def test_the_bins_are_those_of_the_axis_of_fixed_size(run: Run, tmp_path: Path, labels: Path) -> None:
    path = write_linear(tmp_path / "m.onnx", ("n", 1, 64, "t"))
    swapped = run("models", "add", path, "--labels", labels, "--feature", "logmel", "--n-mels", "40")
    assert swapped.exit_code == 4
    assert "its input is N x 1 x 64 x t, these options give" in swapped.stderr


def test_the_proposed_command_works(run: Run, tmp_path: Path, labels: Path, make_wav: MakeWav) -> None:
    path = write_with_lengths(tmp_path / "bare.onnx", TensorProto.INT64, ["n"])
    proposed = run("models", "add", path).stderr.split("`")[1]
    filled = proposed.replace("LABELS.txt", str(labels)).replace("RATE", "16000")
    assert run(*shlex.split(filled)[1:]).exit_code == 0
    assert set(scores(run, make_wav(), "bare")) == set(LABELS)


def test_two_outputs_are_named_in_the_proposal(run: Run, tmp_path: Path) -> None:
    path = write_graph(tmp_path / "m.onnx", members=2)
    finished = run("models", "verify", path)
    assert "--output-name OUTPUT`" in finished.stderr
    assert "3 lines for probabilities or 3 lines for member_probabilities" in finished.stderr


def test_the_contract_of_an_added_model_is_in_its_file(run: Run, tmp_path: Path, labels: Path) -> None:
    path = write_linear(tmp_path / "net.onnx", ("n", 1, 96, 64))
    options = ("--sound-type", "environment", "--embedding", "y", "--output-name", "y")
    run("models", "add", path, "--labels", labels, *LOGMEL, *options, "--threshold", "0.3")
    own = Path(run("models", "path", "net").stdout.strip())
    (entry,) = onnx.load(own).metadata_props
    document = json.loads(entry.value)
    assert document["graph"] == {
        "layout": "Nx1xTxF",
        "input": "x",
        "output": "y",
        "lengths": None,
        "single": False,
        "mean": [],
        "std": [],
        "activation": "none",
        "embedding": "y",
    }
    assert (document["sound_type"], document["threshold"]) == ("environment", 0.3)
    assert document["command"].startswith("audiocnn ")
    assert open_model(own).contract.golden.probabilities == tuple(document["golden"]["probabilities"])
