"""Models from elsewhere: their graph is compared with what the user states about them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.special
from onnx import TensorProto, helper, numpy_helper

from audiocnn_cli.errors import ModelRefusedError, UsageError
from audiocnn_cli.features.config import Feature, FeatureConfig
from audiocnn_cli.models.adopt import adopt
from audiocnn_cli.models.description import Description, Normalization, read_labels, read_normalization
from audiocnn_cli.models.session import activate
from audiocnn_cli.models.signature import Activation, Layout
from tests.conftest import Finished
from tests.onnx_models import random_matrix, write_linear, write_nodes, write_with_lengths

Run = Callable[..., Finished]
MakeWav = Callable[..., Path]
LABELS = ("ant", "bee", "cat")
LOGMEL = FeatureConfig(feature=Feature.LOGMEL, sample_rate=16000, n_fft=512, hop_length=160, n_mels=64)
value = helper.make_tensor_value_info
Shape = Sequence[int | str]


def stated(**changes: Any) -> Description:
    return replace(Description(labels=LABELS, features=LOGMEL), **changes)


SHAPES: list[tuple[Layout, Shape]] = [
    (Layout.NTF, ("n", 96, 64)),
    (Layout.NFT, ("n", 64, 96)),
    (Layout.N1TF, ("n", 1, 96, 64)),
    (Layout.N1FT, ("n", 1, 64, 96)),
    (Layout.NTF1, ("n", 96, 64, 1)),
    (Layout.NFT1, ("n", 64, 96, 1)),
    (Layout.NTF, (1, 96, 64)),
]


@pytest.mark.parametrize(("layout", "shape"), SHAPES, ids=str)
def test_axes_and_length_are_read_from_the_graph(layout: Layout, shape: Shape, tmp_path: Path) -> None:
    model = adopt(write_linear(tmp_path / "m.onnx", shape), stated())
    assert model.binding.layout is layout
    # librosa counts 1 + samples // hop centred frames: 95 hops are the fewest samples for 96.
    assert model.signature.segment.length == 95 * 160
    tensors = np.random.default_rng(2).standard_normal((5, 96, 64)).astype(np.float32)
    order = {"T": 1, "F": 2}
    fed = tensors.transpose([0, *(order[axis] for axis in layout.axes if axis in order)])
    expected = scipy.special.softmax(fed.reshape(5, -1) @ random_matrix(96 * 64), axis=-1)
    np.testing.assert_allclose(model.scores(tensors), expected, atol=1e-5)


def test_a_free_axis_is_that_of_the_frames() -> None:
    shapes: dict[Layout, Shape] = {
        Layout.N1FT: ("n", 1, 64, "t"),
        Layout.N1TF: ("n", 1, "t", 64),
        Layout.NTF1: ("n", "t", 64, 1),
        Layout.NFT1: ("n", 64, "t", 1),
    }
    for layout, shape in shapes.items():
        fixed = {each: each.fixed_axes(shape) for each in Layout if each.fits(shape, frames=None, bins=64)}
        assert [each for each in fixed if fixed[each] == max(fixed.values())] == [layout]


@pytest.mark.parametrize(
    ("layout", "shape"),
    [
        (Layout.NT, ("n", 8000)),
        (Layout.N1T, ("n", 1, 8000)),
        (Layout.NT1, ("n", 8000, 1)),
        (Layout.NT, (1, 8000)),
    ],
    ids=str,
)
def test_waveforms(layout: Layout, shape: Shape, tmp_path: Path) -> None:
    wave = FeatureConfig(feature=Feature.WAVEFORM, sample_rate=16000)
    model = adopt(write_linear(tmp_path / "m.onnx", shape), stated(features=wave))
    assert (model.binding.layout, model.signature.segment.length) == (layout, 8000)
    samples = np.random.default_rng(2).standard_normal((3, 8000, 1)).astype(np.float32)
    expected = scipy.special.softmax(samples[..., 0] @ random_matrix(8000), axis=-1)
    np.testing.assert_allclose(model.scores(samples), expected, atol=1e-5)


def test_one_axis_is_one_segment_and_rows_of_its_output_are_averaged(tmp_path: Path) -> None:
    """As YAMNet: samples in, a row for each of its own frames out."""
    nodes = [helper.make_node("Reshape", ["x", "to"], ["r"]), helper.make_node("MatMul", ["r", "w"], ["y"])]
    constants = [
        numpy_helper.from_array(np.array([-1, 100]), "to"),
        numpy_helper.from_array(random_matrix(100), "w"),
    ]
    path = write_nodes(
        tmp_path / "m.onnx",
        nodes,
        inputs=[value("x", TensorProto.FLOAT, ["samples"])],
        outputs=[value("y", TensorProto.FLOAT, ["frames", 3])],
        constants=constants,
    )
    wave = FeatureConfig(feature=Feature.WAVEFORM, sample_rate=1000)
    model = adopt(path, stated(features=wave, segment_s=0.4, activation=Activation.SIGMOID))
    samples = np.random.default_rng(2).standard_normal((2, 400, 1)).astype(np.float32)
    rows = samples.reshape(2, 4, 100) @ random_matrix(100)
    expected = scipy.special.expit(rows.mean(axis=1))
    np.testing.assert_allclose(model.scores(samples), expected, atol=1e-5)
    assert model.signature.multi_label


def test_a_mismatch_names_both_shapes(tmp_path: Path) -> None:
    path = write_linear(tmp_path / "m.onnx", ("n", 1, 96, 64))
    with pytest.raises(ModelRefusedError) as refused:
        adopt(path, stated(features=FeatureConfig()))
    assert "its input is N x 1 x 96 x 64, these options give N x 130 x 13" in str(refused.value)
    with pytest.raises(ModelRefusedError, match="N x 101 x 64"):
        adopt(path, stated(segment_s=1.0))
    with pytest.raises(ModelRefusedError, match="N x 64 x 301"):
        adopt(path, stated(layout=Layout.NFT))
    wave = FeatureConfig(feature=Feature.WAVEFORM, sample_rate=16000)
    with pytest.raises(ModelRefusedError, match="N x 48000"):
        adopt(path, stated(features=wave))


def test_what_the_graph_does_not_determine_must_be_stated(tmp_path: Path) -> None:
    nodes = [helper.make_node("ReduceMean", ["x"], ["m"], axes=[1], keepdims=0)]
    nodes.append(helper.make_node("MatMul", ["m", "w"], ["y"]))
    path = write_nodes(
        tmp_path / "m.onnx",
        nodes,
        inputs=[value("x", TensorProto.FLOAT, ["n", "a", "b"])],
        outputs=[value("y", TensorProto.FLOAT, ["n", 3])],
        constants=[numpy_helper.from_array(random_matrix(64), "w")],
    )
    with pytest.raises(UsageError, match="`layout=NxTxF or NxFxT`"):
        adopt(path, stated())
    model = adopt(path, stated(layout=Layout.NTF, segment_s=0.5))
    assert model.signature.segment.length == 8000
    assert model.scores(np.zeros((2, 51, 64), dtype=np.float32)).shape == (2, 3)


def two_outputs(path: Path, sizes: tuple[int, int]) -> Path:
    nodes = [helper.make_node("Flatten", ["x"], ["f"], axis=1)]
    constants = []
    for i, size in enumerate(sizes):
        weights = np.ones((96 * 64, size), dtype=np.float32) * np.arange(size, dtype=np.float32)
        constants.append(numpy_helper.from_array(weights * 1e-4, f"w{i}"))
        nodes.append(helper.make_node("MatMul", ["f", f"w{i}"], [f"y{i}"]))
    return write_nodes(
        path,
        nodes,
        inputs=[value("x", TensorProto.FLOAT, ["n", 96, 64])],
        outputs=[value(f"y{i}", TensorProto.FLOAT, ["n", s]) for i, s in enumerate(sizes)],
        constants=constants,
    )


def test_the_output_that_fits_the_labels_is_read(tmp_path: Path) -> None:
    model = adopt(two_outputs(tmp_path / "a.onnx", (1024, 3)), stated())
    assert model.binding.output == "y1"
    twice = two_outputs(tmp_path / "b.onnx", (3, 3))
    with pytest.raises(UsageError, match="y0, y1 fit the labels; name one with `output_name`"):
        adopt(twice, stated())
    chosen = adopt(twice, stated(output="y0"))
    assert chosen.binding.output == "y0"
    with pytest.raises(UsageError, match="has no output 'z'"):
        adopt(twice, stated(output="z"))
    with pytest.raises(ModelRefusedError, match=r"3 labels, and its outputs are y0 \(n x 5\)"):
        adopt(two_outputs(tmp_path / "c.onnx", (5, 7)), stated())


def test_activations_are_scipy_s() -> None:
    numbers = np.array([[-200.0, 0.0, 3.0], [1e4, 1e4, -5.0]], dtype=np.float32)
    np.testing.assert_allclose(
        activate(numbers, Activation.SOFTMAX), scipy.special.softmax(numbers, -1), atol=1e-6
    )
    np.testing.assert_allclose(activate(numbers, Activation.SIGMOID), scipy.special.expit(numbers), atol=1e-6)
    assert activate(numbers, Activation.NONE) is numbers


@pytest.mark.parametrize(
    ("last", "applied", "multi"),
    [
        ("Softmax", Activation.NONE, False),
        ("Sigmoid", Activation.NONE, True),
        (None, Activation.SOFTMAX, False),
    ],
)
def test_the_activation_is_that_of_the_graph_or_softmax(
    last: str | None, applied: Activation, multi: bool, tmp_path: Path
) -> None:
    path = write_linear(tmp_path / "m.onnx", ("n", 96, 64), last=last)
    model = adopt(path, stated())
    assert model.binding.activation is applied
    assert model.signature.multi_label is multi
    assert model.signature.threshold == (0.5 if multi else 0.0)


def test_logits_taken_for_probabilities_are_refused(tmp_path: Path) -> None:
    path = write_linear(tmp_path / "m.onnx", ("n", 96, 64), last=None)
    model = adopt(path, stated())
    raw = replace(model, binding=replace(model.binding, activation=Activation.NONE))
    with pytest.raises(ModelRefusedError, match="`activation=softmax`"):
        raw.scores(np.full((1, 96, 64), 1e5, dtype=np.float32))
    shifted = Normalization(mean=(1e6,), std=(1.0,))
    with pytest.raises(ModelRefusedError, match="`activation=softmax`"):  # by the golden example
        adopt(path, stated(activation=Activation.NONE, normalization=shifted))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\nb\na\n", "'a' is on the lines 1, 3"),
        ("a\n\nb\n", "line 2 is empty"),
        ("", "line 1 is empty"),
        ("a\n", "has 1 label"),
        (b"\xff\xfe\x00", "UTF-8"),
    ],
)
def test_labels_that_are_refused(text: str | bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError, match=message):
        read_labels(str(path))
    with pytest.raises(UsageError, match="can't be read"):
        read_labels(str(tmp_path / "missing.txt"))


TABLES = [
    ("m.csv", 'index,mid,display_name\n1,/m/b,Bee\n0,/m/a,"Ant, red"\n2,/m/c,Cat\n', ""),
    ("m.csv", 'Index,Name\n2,Bee\n1,"Ant, red"\n3,Cat\n', ""),
    ("m.csv", 'label\n"Ant, red"\nBee\nCat\n', ""),
    ("m.tsv", "class\tn\nAnt, red\t1\nBee\t2\nCat\t3\n", ""),
    ("m.csv", 'label,species\n1,"Ant, red"\n2,Bee\n3,Cat\n', ":species"),
]


@pytest.mark.parametrize(("name", "text", "column"), TABLES)
def test_labels_from_a_table(name: str, text: str, column: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert read_labels(f"{path}{column}") == ("Ant, red", "Bee", "Cat")


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("a,b\n1,2\n3,4\n", "", "no column display_name or label or name or class, but a, b"),
        ("a,b\n1,2\n3,4\n", ":c", "no column c, but a, b"),
        ("index,label\n0,a\n2,b\n", "", "index must count from 0 or 1"),
        ("index,label\n0,a\n0,b\n", "", "index must count from 0 or 1"),
        ("index,label\nx,a\ny,b\n", "", "index must count from 0 or 1"),
        ("label,n\na,1\n,2\n", "", "row 2 is empty"),
        ("label,n\na,1\na,2\n", "", "on the rows 1, 2"),
        ("label\n", "", "no rows"),
    ],
)
def test_tables_that_are_refused(text: str, column: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "map.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_labels(f"{path}{column}")


def test_normalization_inline_or_from_a_file(tmp_path: Path) -> None:
    assert read_normalization("-4.5, 2") == Normalization((-4.5,), (2.0,))
    bins = Normalization((1.0, 2.0, 3.0), (4.0, 5.0, 6.0))
    assert read_normalization("1,2,3,4,5,6") == bins
    for text in ("1 2 3\n4 5 6\n", "mean,std\n1,4\n2,5\n3,6\n"):
        path = tmp_path / "stats.csv"
        path.write_text(text)
        assert read_normalization(str(path)) == bins


@pytest.mark.parametrize("text", ["1", "1,0", "1,-2", "1,2,3", "nan,1", "1,inf", "no such file"])
def test_normalization_that_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="normalize"):
        read_normalization(text)


def test_tensors_are_normalized_before_the_graph(tmp_path: Path) -> None:
    path = write_linear(tmp_path / "m.onnx", ("n", 96, 64))
    mean, std = np.linspace(-9, 9, 64), np.linspace(1, 5, 64)
    tensors = np.random.default_rng(2).standard_normal((3, 96, 64)).astype(np.float32)
    for normalization in (Normalization((-4.5,), (2.0,)), Normalization((*mean.tolist(),), (*std.tolist(),))):
        model = adopt(path, stated(normalization=normalization))
        shifted = (tensors - normalization.mean) / normalization.std
        expected = scipy.special.softmax(shifted.reshape(3, -1) @ random_matrix(96 * 64), axis=-1)
        np.testing.assert_allclose(model.scores(tensors), expected, atol=1e-5)
    with pytest.raises(UsageError, match="3 means; give one, or one for each of 64 bins"):
        adopt(path, stated(normalization=Normalization((1, 2, 3), (1, 2, 3))))


@pytest.mark.parametrize("type_", [TensorProto.INT64, TensorProto.INT32, TensorProto.FLOAT])
@pytest.mark.parametrize("shape", [["n"], []], ids=["one a segment", "scalar"])
def test_a_second_input_takes_the_number_of_frames(type_: int, shape: list[str], tmp_path: Path) -> None:
    path = write_with_lengths(tmp_path / "m.onnx", type_, shape)
    model = adopt(path, stated(segment_s=0.5))
    assert model.binding.lengths == "frames"
    tensors = np.random.default_rng(2).standard_normal((3, 51, 64)).astype(np.float32)
    expected = scipy.special.softmax(tensors.sum(axis=1) / 51 @ random_matrix(64), axis=-1)
    np.testing.assert_allclose(model.scores(tensors), expected, atol=1e-5)
    assert adopt(path, stated(segment_s=0.5, lengths="frames")).binding.lengths == "frames"
    with pytest.raises(UsageError, match="has no input 'len'; it has x tensor"):
        adopt(path, stated(lengths="len"))


@pytest.mark.parametrize(
    "inputs",
    [
        [("x", TensorProto.DOUBLE, ["n", 96, 64])],
        [("x", TensorProto.FLOAT, ["n", 96, 64]), ("b", TensorProto.FLOAT, ["n", 3])],
        [("x", TensorProto.FLOAT, ["n", 96, 64]), ("b", TensorProto.DOUBLE, ["n"])],
        [
            ("x", TensorProto.FLOAT, ["n", 96, 64]),
            ("b", TensorProto.INT64, ["n"]),
            ("c", TensorProto.INT64, ["n"]),
        ],
    ],
    ids=["double", "two tensors", "lengths of type double", "three"],
)
def test_inputs_that_are_refused(inputs: list[tuple[str, int, Any]], tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"]),
        helper.make_node("Cast", ["f"], ["g"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["g", "w"], ["y"]),
    ]
    path = write_nodes(
        tmp_path / "m.onnx",
        nodes,
        inputs=[value(*each) for each in inputs],
        outputs=[value("y", TensorProto.FLOAT, ["n", 3])],
        constants=[numpy_helper.from_array(random_matrix(96 * 64), "w")],
    )
    with pytest.raises(ModelRefusedError, match=r"its inputs are x tensor.*supported are"):
        adopt(path, stated())


def test_half_precision(tmp_path: Path) -> None:
    weights = random_matrix(96 * 64).astype(np.float16)
    path = write_nodes(
        tmp_path / "m.onnx",
        [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("MatMul", ["f", "w"], ["y"])],
        inputs=[value("x", TensorProto.FLOAT16, ["n", 96, 64])],
        outputs=[value("y", TensorProto.FLOAT16, ["n", 3])],
        constants=[numpy_helper.from_array(weights, "w")],
    )
    tensors = np.random.default_rng(2).standard_normal((3, 96, 64)).astype(np.float32)
    found = adopt(path, stated()).scores(tensors)
    expected = scipy.special.softmax(tensors.reshape(3, -1) @ random_matrix(96 * 64), axis=-1)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_independent_labels_of_logits_get_a_sigmoid(tmp_path: Path) -> None:
    path = write_linear(tmp_path / "m.onnx", ("n", 96, 64), last=None)
    model = adopt(path, stated(multi_label=True, threshold=0.2))
    assert model.binding.activation is Activation.SIGMOID
    assert (model.contract.activation, model.contract.threshold) == (Activation.SIGMOID, 0.2)


def test_an_embedding_is_recorded_and_is_not_taken_for_the_labels(tmp_path: Path) -> None:
    path = two_outputs(tmp_path / "m.onnx", (3, 3))
    model = adopt(path, stated(embedding="y0"))
    assert (model.binding.output, model.binding.embedding) == ("y1", "y0")
    with pytest.raises(UsageError, match="has no output 'z'"):
        adopt(path, stated(embedding="z"))


def test_features_that_no_graph_takes(tmp_path: Path) -> None:
    path = write_linear(tmp_path / "m.onnx", ("n", 96, 64))
    stft = FeatureConfig(feature=Feature.COMPLEX)
    with pytest.raises(UsageError, match="real and an imaginary"):
        adopt(path, stated(features=stft))
    short = replace(LOGMEL, center=False)
    with pytest.raises(UsageError, match=r"`segment=0.01` is shorter than one frame"):
        adopt(path, stated(features=short, segment_s=0.01))
