"""Training end to end on signals made here (needs the [train] extra: make test-train)."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import soundfile

from audiocnn_cli.evaluation.labelled import Grouping, content_hash
from audiocnn_cli.features.extract import extract
from audiocnn_cli.models.session import open_model
from tests.conftest import Finished
from tests.numerics import assert_close, mfcc_scale

pytestmark = pytest.mark.train
pytest.importorskip("torch")

from audiocnn_cli.output.terminal import training as progress
from audiocnn_cli.training.dataset import Dataset, read_dataset
from audiocnn_cli.training.fit import Epoch
from audiocnn_cli.training.recipes import ARCHITECTURES, recipe_for
from audiocnn_cli.training.split import cross_validation, holdout, kept_apart

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
    """Six epochs of the course CNN unless `options` are others; no cache is shared by tests."""
    return run(
        "train", folder, "-o", output, "--cache", output.parent / "cache", "--arch", "cnn",
        "--epochs", "6", "--learning-rate", "1e-3", "--json", *options,
    )  # fmt: skip


def read(folder: Path, cache: Path, name: str, grouping: Grouping) -> Dataset:
    return read_dataset(folder, recipe=recipe_for(name), grouping=grouping, cache=cache)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_what_is_trained_can_be_used(arch: str, run: Run, folder: Path, tmp_path: Path) -> None:
    output, curve = tmp_path / "tones.onnx", tmp_path / "curve.png"
    options = ("--arch", arch, "--batch-size", "8", "--epochs", "15", "--plot", str(curve))
    trained = train(run, folder, output, *options)
    assert trained.exit_code == 0, trained.stderr
    assert trained.document["accuracy"] == 1.0
    assert run("models", "verify", output).exit_code == 0
    again = run("evaluate", folder, "--model", output, "--json").document
    assert again == trained.document | {"robustness": []}
    assert again["clips"] + again["training_clips_left_out"] == 30
    labelled = run("classify", folder / "high", "--model", output, "--json").document
    assert {result["label"] for result in labelled["results"]} == {"high"}
    assert f"**{again['accuracy']:.3f}**" in output.with_suffix(".md").read_text()
    assert curve.read_bytes().startswith(b"\x89PNG")


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


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("members", [1, 3])
def test_the_graph_is_the_network(name: str, members: int, tmp_path: Path) -> None:
    """ONNX Runtime gives the probabilities that PyTorch gives, those of each member and their mean."""
    import torch

    from audiocnn_cli.training.batches import Moments
    from audiocnn_cli.training.export import export_graph
    from audiocnn_cli.training.model_file import store_weights
    from audiocnn_cli.training.networks import build_network

    torch.manual_seed(0)
    recipe = recipe_for(name)
    shape = recipe.input_shape
    tensors = np.random.default_rng(0).standard_normal((5, *shape)).astype(np.float32) * 20
    moments = Moments(torch.full((shape[1],), 3.0), torch.full((shape[1],), 20.0))
    networks = [build_network(recipe, classes=7, scale_by=moments).eval() for _ in range(members)]
    proto = export_graph(networks, temperature=1.7, input_shape=shape)
    size = len(proto.SerializeToString())
    with torch.no_grad():
        logits = torch.stack([n(torch.from_numpy(tensors)) for n in networks], dim=1)
    expected = torch.softmax(logits / 1.7, dim=-1).numpy()
    for bits, tolerance in ((32, 1e-5), (16, 1e-2), (8, 0.1)):
        smaller = onnx.ModelProto()
        smaller.CopyFrom(proto)
        store_weights(smaller, bits=bits)
        session = onnxruntime.InferenceSession(smaller.SerializeToString())
        found = session.run(None, {"features": tensors})
        np.testing.assert_allclose(found[0], expected.mean(axis=1), atol=tolerance)
        if members > 1:
            np.testing.assert_allclose(found[1], expected, atol=tolerance)
        assert len(smaller.SerializeToString()) < (bits / 32 + 0.15) * size
        assert not {"Cast", "DequantizeLinear"} & set(_as_run(smaller, tmp_path))


def _as_run(proto: Any, folder: Path) -> list[str]:
    """The operators that are left when ONNX Runtime has opened a graph."""
    path = folder / "as-run.onnx"
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(proto.SerializeToString(), options)
    return [node.op_type for node in onnx.load(path).graph.node]


@pytest.mark.parametrize(("name", "count"), [("logmel-cnn", 80_122), ("cnn", 298_186), ("mlp", 1_014_218)])
def test_the_network_has_the_parameters_that_shapes_counts(name: str, count: int) -> None:
    import torch

    from audiocnn_cli.training.batches import Moments
    from audiocnn_cli.training.networks import build_network

    moments = Moments(torch.zeros(13), torch.ones(13))
    network = build_network(recipe_for(name), classes=10, scale_by=moments)
    assert sum(p.numel() for p in network.parameters()) == count


def test_groups_stay_on_one_side(folder: Path, tmp_path: Path) -> None:
    dataset = read(folder, tmp_path, "cnn", Grouping(r"(\d+)\.", 2))
    split = holdout(dataset.clip_set, seed=1)
    sides = [{dataset.groups[c] for c in side} for side in (split.train, split.validation, split.test)]
    assert not sides[0] & sides[1]
    assert not sides[0] & sides[2]
    assert not sides[1] & sides[2]
    assert sum(map(len, (split.train, split.validation, split.test))) == 30


def test_every_clip_is_tested_in_one_fold(folder: Path, tmp_path: Path) -> None:
    dataset = read(folder, tmp_path, "cnn", Grouping(r"(\d+)\.", 2))
    splits = cross_validation(dataset.clip_set, 5, seed=0)
    tested = np.concatenate([split.test for split in splits])
    assert sorted(tested) == list(range(30))
    for split in splits:
        assert not {dataset.groups[c] for c in split.test} & {dataset.groups[c] for c in split.train}


@pytest.mark.parametrize("name", ["cnn", "logmel-cnn"])
def test_segments_are_those_of_use(name: str, folder: Path, tmp_path: Path) -> None:
    """Frames cut from the cache equal the features of the segment's samples."""
    dataset = read(folder, tmp_path, name, Grouping())
    recipe = recipe_for(name)
    samples, _ = soundfile.read(dataset.clips[0].source.path, dtype="float32")
    found = dataset.segments(dataset.segment_starts(0)[:1])[0]
    expected = extract(samples[: recipe.segment.length], recipe.features)
    assert_close(found, expected, scale=mfcc_scale())  # chunks of frames end elsewhere


def test_the_cache_is_used_and_other_content_makes_another(folder: Path, tmp_path: Path) -> None:
    first = read(folder, tmp_path, "cnn", Grouping())
    entries = sorted(p.name for p in tmp_path.iterdir())
    stamp = [p.stat().st_mtime_ns for p in sorted(tmp_path.iterdir())]
    again = read(folder, tmp_path, "cnn", Grouping())
    np.testing.assert_array_equal(first.frames, again.frames)
    assert [p.stat().st_mtime_ns for p in sorted(tmp_path.iterdir())] == stamp
    extra = folder / "low" / "extra.wav"
    soundfile.write(extra, np.zeros(RATE * 3), RATE)
    try:
        assert len(read(folder, tmp_path, "cnn", Grouping()).clips) == 31
    finally:
        extra.unlink()
    assert set(entries) < {p.name for p in tmp_path.iterdir()}
    assert not list(tmp_path.glob("*.part"))


def test_an_interrupted_training_goes_on_to_the_same_model(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = tmp_path / "whole" / "m.onnx", tmp_path / "broken" / "m.onnx"
    for output in (whole, broken):
        output.parent.mkdir()
    options = ("--arch", "logmel-cnn", "--name", "m", "--epochs", "4")
    train(run, folder, whole, *options)

    def interrupt(member: int, epoch: Epoch) -> None:
        if epoch.number == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(progress, "show_epochs", lambda **_: nullcontext(interrupt))
        assert train(run, folder, broken, *options).exit_code == 130
    assert not broken.exists()
    resumed = train(run, folder, broken, *options)
    assert "epoch  3/4" in resumed.stderr
    assert "epoch  2/4" not in resumed.stderr
    goldens = [open_model(path).contract.golden for path in (whole, broken)]
    assert goldens[0] == goldens[1]


def test_folds_make_a_model_that_is_their_mean(run: Run, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "m.onnx"
    trained = train(run, folder, output, "--folds", "3", "--networks", "2", "--bits", "16")
    assert trained.exit_code == 0, trained.stderr
    assert trained.document["held_out_clips"] == 30
    again = run("evaluate", folder, "--model", output, "--json").document
    assert again == trained.document | {"robustness": []}
    model = open_model(output)
    assert model.contract.members == 3
    assert sorted(set(model.contract.training_clips.values())) == [0, 1, 2]
    assert "2 networks not trained" in model.contract.figures[0].protocol
    assert "network 6/6" in trained.stderr


def test_several_networks_give_the_mean_of_their_probabilities() -> None:
    import torch

    from audiocnn_cli.training.networks import MeanNetwork

    networks = [torch.nn.Linear(4, 3), torch.nn.Linear(4, 3)]
    x = torch.randn(5, 4)
    found = torch.softmax(MeanNetwork(networks)(x), dim=-1)
    expected = (torch.softmax(networks[0](x), -1) + torch.softmax(networks[1](x), -1)) / 2
    torch.testing.assert_close(found, expected)


def test_clips_kept_apart_are_trained_on_by_none(run: Run, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "m.onnx"
    options = ("--folds", "3", "--keep-apart", r"0[0-2]\.", "--sound-type", "environment")
    trained = train(run, folder, output, *options)
    assert trained.exit_code == 0, trained.stderr
    assert (trained.document["clips"], trained.document["kept_apart"]["clips"]) == (21, 9)
    contract = open_model(output).contract
    apart = {content_hash(str(path)) for path in folder.glob("*/0[0-2].wav")}
    assert len(apart) == 9
    assert not apart & set(contract.training_clips)
    assert contract.sound_type == "environment"
    assert len(contract.training_clips) == 21
    named = {figure.name: figure for figure in contract.figures}
    assert named["accuracy over clips kept apart"].n == 9
    assert "0[0-2]" in named["accuracy over clips kept apart"].protocol
    remade = run("evaluate", "--all", folder.parent, "--model", output, "--json").document
    assert all(figure["agrees"] for figure in remade["figures"])


def test_without_folds_the_clips_kept_apart_are_the_test(folder: Path, tmp_path: Path) -> None:
    dataset = read(folder, tmp_path, "cnn", Grouping())
    apart = kept_apart(dataset.clip_set, r"low/", folder=folder)
    split = holdout(dataset.clip_set, seed=1, apart=apart[:5])
    assert split.test.tolist() == apart[:5].tolist()
    sides = [*split.train, *split.validation, *split.test]
    assert sorted(sides) == list(range(30))
    assert len(split.validation) == 5


def test_one_recording_under_two_names_is_found(run: Run, folder: Path, tmp_path: Path) -> None:
    twin = folder / "noise" / "twin.wav"
    twin.write_bytes((folder / "noise" / "00.wav").read_bytes())
    try:
        finished = train(run, folder, tmp_path / "m.onnx")
    finally:
        twin.unlink()
    assert "are the same recording in two groups, a leak" in finished.stderr


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--arch", "vgg99"), 2),
        (("--group-by", "("), 2),
        (("--group-by", "(low|high|noise)"), 2),
        (("--learning-rate", "0"), 2),
        (("--sound-type", "noise"), 2),
        (("--bits", "7"), 2),
        (("--part", "low"), 2),
        (("--part", "low=low", "--part", "high=../high"), 2),
        (("--keep-apart", "("), 2),
        (("--keep-apart", "nothing like it"), 2),
        (("--keep-apart", "wav"), 2),
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


def test_a_bad_file_in_the_set_is_skipped_and_reported(run: Run, folder: Path, tmp_path: Path) -> None:
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
