"""Training end to end on signals made here (needs the [train] extra: make test-train)."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiocnn_cli.features.extract import extract
from audiocnn_cli.models.session import open_model
from tests.conftest import Finished

pytestmark = pytest.mark.train

Run = Callable[..., Finished]
RATE = 22050


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Low tones, high tones and noise: 10 clips a class of 3 to 6.5 s."""
    root = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(4)
    for label, hz in (("low", 200.0), ("high", 3000.0), ("noise", None)):
        (root / label).mkdir()
        for i in range(10):
            t = np.arange(int(RATE * random.uniform(3, 6.5))) / RATE
            sound = random.standard_normal(len(t))
            if hz is not None:
                sound = np.sin(2 * np.pi * hz * random.uniform(0.9, 1.1) * t) + 0.05 * sound
            soundfile.write(root / label / f"{i:02}.wav", 0.2 * sound, RATE)
    return root


def train(run: Run, folder: Path, output: Path, *options: str) -> Finished:
    return run("train", folder, "-o", output, "--epochs", "6", "--json", *options)


@pytest.mark.parametrize("arch", ["cnn", "mlp", "lstm"])
def test_what_is_trained_can_be_used(arch: str, run: Run, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "tones.onnx"
    trained = train(run, folder, output, "--arch", arch, "--batch-size", "8")
    assert trained.exit_code == 0, trained.stderr
    assert trained.document["accuracy"] == 1.0
    assert run("models", "verify", output).exit_code == 0
    again = run("evaluate", folder, "--model", output, "--json").document
    assert again == trained.document
    assert again["clips"] + again["training_clips_left_out"] == 30
    labelled = run("classify", folder / "high", "--model", output, "--json").document
    assert {result["label"] for result in labelled["results"]} == {"high"}
    assert f"**{again['accuracy']:.3f}**" in output.with_suffix(".md").read_text()


def test_the_same_seed_gives_the_same_bytes(run: Run, folder: Path, tmp_path: Path) -> None:
    models = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        train(run, folder, tmp_path / name / "m.onnx", "--seed", "3")
        model = open_model(tmp_path / name / "m.onnx")
        models.append(model.contract.golden)
    assert models[0] == models[1]


def test_nothing_of_this_machine_is_in_the_file(run: Run, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "m.onnx"
    train(run, folder, output, "--name", "m")
    content = output.read_bytes()
    assert b"site-packages" not in content
    assert b"stack_trace" not in content


def test_the_graph_is_the_network(run: Run, folder: Path, tmp_path: Path) -> None:
    """ONNX Runtime gives the probabilities that PyTorch gives."""
    import torch

    from audiocnn_cli.shapes.architectures import architecture
    from audiocnn_cli.training.export import export_graph
    from audiocnn_cli.training.networks import build_network

    torch.manual_seed(0)
    random = np.random.default_rng(0)
    tensors = random.standard_normal((5, 130, 13)).astype(np.float32) * 20
    import onnxruntime

    for name in ("cnn", "mlp", "lstm"):
        built = architecture(name)
        network = build_network(built, tensors, classes=7).eval()
        proto = export_graph(network, input_shape=built.input_shape)
        session = onnxruntime.InferenceSession(proto.SerializeToString())
        (found,) = session.run(None, {"features": tensors.reshape(5, *built.input_shape)})
        with torch.no_grad():
            expected = torch.softmax(network(torch.from_numpy(tensors)), dim=-1).numpy()
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_groups_stay_on_one_side(run: Run, folder: Path, tmp_path: Path) -> None:
    from audiocnn_cli.evaluation.labelled import Grouping
    from audiocnn_cli.training.dataset import read_dataset
    from audiocnn_cli.training.split import split_clips
    from audiocnn_cli.training.train import FEATURES, SEGMENT

    dataset = read_dataset(
        folder, features=FEATURES, segment=SEGMENT, grouping=Grouping(r"(\d+)\.", 2)
    )
    assert dataset.tensors.shape[1:] == (130, 13)
    first = dataset.tensors[0]
    samples, _ = soundfile.read(dataset.clips[0].source.path, dtype="float32")
    np.testing.assert_array_equal(first, extract(samples[:66150], FEATURES))
    split = split_clips(dataset, seed=1)
    sides = [
        {dataset.groups[c] for c in side} for side in (split.train, split.validation, split.test)
    ]
    assert not sides[0] & sides[1]
    assert not sides[0] & sides[2]
    assert not sides[1] & sides[2]
    assert sum(map(len, (split.train, split.validation, split.test))) == 30


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--arch", "vgg99"), 2),
        (("--group-by", "("), 2),
        (("--group-by", "(low|high|noise)"), 2),
        (("--learning-rate", "0"), 2),
        (("--learning-rate", "1e30"), 3),
    ],
)
def test_bad_options_end_in_a_sentence(
    options: tuple[str, ...], code: int, run: Run, folder: Path, tmp_path: Path
) -> None:
    output = tmp_path / "m.onnx"
    finished = train(run, folder, output, *options, "--quiet")
    assert finished.exit_code == code
    assert finished.stderr.count("\n") == 1
    assert not output.exists()


def test_a_bad_file_in_the_set_is_skipped_and_said(run: Run, folder: Path, tmp_path: Path) -> None:
    bad = folder / "low" / "bad.wav"
    bad.write_text("no audio")
    try:
        finished = train(run, folder, tmp_path / "m.onnx", "--quiet")
    finally:
        bad.unlink()
    assert finished.exit_code == 1
    assert "bad.wav" in finished.stderr
    assert (tmp_path / "m.onnx").is_file()


def test_an_existing_model_is_kept(run: Run, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "m.onnx"
    output.write_text("mine")
    assert train(run, folder, output).exit_code == 3
    assert output.read_text() == "mine"
