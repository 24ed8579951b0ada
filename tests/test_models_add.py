"""Models from elsewhere: fed as their graph wants, refused in a sentence where that can't be."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import onnx
import pytest
import scipy.special
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from audiocnn_cli.errors import ModelRefusedError, UsageError
from audiocnn_cli.features.config import Feature, FeatureConfig
from audiocnn_cli.models import runtime
from audiocnn_cli.models.adopt import adopt
from audiocnn_cli.models.contract import METADATA_KEY, encode
from audiocnn_cli.models.description import (
    Description,
    read_labels,
)
from audiocnn_cli.models.session import activate, open_model
from audiocnn_cli.models.signature import Activation, Layout
from tests.conftest import Finished
from tests.onnx_models import CONTRACT

Run = Callable[..., Finished]
MakeWav = Callable[..., Path]
LABELS = ("ant", "bee", "cat")
LOGMEL = FeatureConfig(
    feature=Feature.LOGMEL, sample_rate=16000, n_fft=512, hop_length=160, n_mels=64
)
value = helper.make_tensor_value_info
Shape = Sequence[int | str]


def write(
    path: Path,
    nodes: list[Any],
    *,
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    constants: Sequence[Any] = (),
) -> Path:
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(constants))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    return path


def linear(path: Path, shape: Shape, *, last: str | None = "Softmax", flat: bool = True) -> Path:
    """Weights times the flattened input; `shape` has the batch axis."""
    sizes = [size for size in shape[1:] if isinstance(size, int)]
    constants = [numpy_helper.from_array(matrix(int(np.prod(sizes))), "w")]
    nodes = [helper.make_node("Flatten", ["x"], ["f"], axis=1 if flat else 0)]
    nodes.append(helper.make_node("MatMul", ["f", "w"], ["y" if last is None else "z"]))
    if last is not None:
        nodes.append(helper.make_node(last, ["z"], ["y"]))
    out = value("y", TensorProto.FLOAT, [shape[0] if flat else 1, 3])
    return write(
        path,
        nodes,
        inputs=[value("x", TensorProto.FLOAT, list(shape))],
        outputs=[out],
        constants=constants,
    )


def matrix(inputs: int) -> NDArray[np.float32]:
    return (np.random.default_rng(1).standard_normal((inputs, 3)) / inputs).astype(np.float32)


def said(**changes: Any) -> Description:
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
def test_axes_and_length_are_read_from_the_graph(
    layout: Layout, shape: Shape, tmp_path: Path
) -> None:
    model = adopt(linear(tmp_path / "m.onnx", shape), said())
    assert model.binding.layout is layout
    # librosa counts 1 + samples // hop centred frames: 95 hops are the fewest samples for 96.
    assert model.signature.segment.length == 95 * 160
    tensors = np.random.default_rng(2).standard_normal((5, 96, 64)).astype(np.float32)
    order = {"T": 1, "F": 2}
    fed = tensors.transpose([0, *(order[axis] for axis in layout.axes if axis in order)])
    expected = scipy.special.softmax(fed.reshape(5, -1) @ matrix(96 * 64), axis=-1)
    np.testing.assert_allclose(model.probabilities(tensors), expected, atol=1e-5)


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
def test_waveforms_are_fed_as_they_are(layout: Layout, shape: Shape, tmp_path: Path) -> None:
    wave = FeatureConfig(feature=Feature.WAVEFORM, sample_rate=16000)
    model = adopt(linear(tmp_path / "m.onnx", shape), said(features=wave))
    assert (model.binding.layout, model.signature.segment.length) == (layout, 8000)
    samples = np.random.default_rng(2).standard_normal((3, 8000, 1)).astype(np.float32)
    expected = scipy.special.softmax(samples[..., 0] @ matrix(8000), axis=-1)
    np.testing.assert_allclose(model.probabilities(samples), expected, atol=1e-5)


def test_one_axis_is_one_segment_and_frames_of_answers_are_averaged(tmp_path: Path) -> None:
    """As YAMNet: samples in, a row for each of its own frames out."""
    nodes = [
        helper.make_node("Reshape", ["x", "to"], ["r"]),
        helper.make_node("MatMul", ["r", "w"], ["y"]),
    ]
    constants = [
        numpy_helper.from_array(np.array([-1, 100]), "to"),
        numpy_helper.from_array(matrix(100), "w"),
    ]
    path = write(
        tmp_path / "m.onnx",
        nodes,
        inputs=[value("x", TensorProto.FLOAT, ["samples"])],
        outputs=[value("y", TensorProto.FLOAT, ["frames", 3])],
        constants=constants,
    )
    wave = FeatureConfig(feature=Feature.WAVEFORM, sample_rate=1000)
    model = adopt(path, said(features=wave, segment_s=0.4, activation=Activation.SIGMOID))
    samples = np.random.default_rng(2).standard_normal((2, 400, 1)).astype(np.float32)
    rows = samples.reshape(2, 4, 100) @ matrix(100)
    expected = scipy.special.expit(rows.mean(axis=1))
    np.testing.assert_allclose(model.probabilities(samples), expected, atol=1e-5)
    assert model.signature.multi_label


def test_a_mismatch_names_both_shapes(tmp_path: Path) -> None:
    path = linear(tmp_path / "m.onnx", ("n", 1, 96, 64))
    with pytest.raises(ModelRefusedError) as refused:
        adopt(path, said(features=FeatureConfig()))
    assert "the model wants N x 1 x 96 x 64, these options give N x 130 x 13" in str(refused.value)
    with pytest.raises(ModelRefusedError, match="N x 101 x 64"):
        adopt(path, said(segment_s=1.0))
    with pytest.raises(ModelRefusedError, match="N x 64 x 301"):
        adopt(path, said(layout=Layout.NFT))
    wave = FeatureConfig(feature=Feature.WAVEFORM, sample_rate=16000)
    with pytest.raises(ModelRefusedError, match="N x 48000"):
        adopt(path, said(features=wave))


def test_what_the_graph_leaves_open_is_asked_for(tmp_path: Path) -> None:
    nodes = [helper.make_node("ReduceMean", ["x"], ["m"], axes=[1], keepdims=0)]
    nodes.append(helper.make_node("MatMul", ["m", "w"], ["y"]))
    path = write(
        tmp_path / "m.onnx",
        nodes,
        inputs=[value("x", TensorProto.FLOAT, ["n", "a", "b"])],
        outputs=[value("y", TensorProto.FLOAT, ["n", 3])],
        constants=[numpy_helper.from_array(matrix(64), "w")],
    )
    with pytest.raises(UsageError, match="--layout NxTxF or NxFxT"):
        adopt(path, said())
    model = adopt(path, said(layout=Layout.NTF, segment_s=0.5))
    assert model.signature.segment.length == 8000
    assert model.probabilities(np.zeros((2, 51, 64), dtype=np.float32)).shape == (2, 3)


def two_outputs(path: Path, sizes: tuple[int, int]) -> Path:
    nodes = [helper.make_node("Flatten", ["x"], ["f"], axis=1)]
    constants = []
    for i, size in enumerate(sizes):
        weights = np.ones((96 * 64, size), dtype=np.float32) * np.arange(size, dtype=np.float32)
        constants.append(numpy_helper.from_array(weights * 1e-4, f"w{i}"))
        nodes.append(helper.make_node("MatMul", ["f", f"w{i}"], [f"y{i}"]))
    return write(
        path,
        nodes,
        inputs=[value("x", TensorProto.FLOAT, ["n", 96, 64])],
        outputs=[value(f"y{i}", TensorProto.FLOAT, ["n", s]) for i, s in enumerate(sizes)],
        constants=constants,
    )


def test_the_output_that_fits_the_labels_is_read(tmp_path: Path) -> None:
    model = adopt(two_outputs(tmp_path / "a.onnx", (1024, 3)), said())
    assert model.binding.output == "y1"
    twice = two_outputs(tmp_path / "b.onnx", (3, 3))
    with pytest.raises(UsageError, match="y0, y1 fit the labels; add --output-name"):
        adopt(twice, said())
    chosen = adopt(twice, said(output="y0"))
    assert chosen.binding.output == "y0"
    with pytest.raises(UsageError, match="has no output 'z'"):
        adopt(twice, said(output="z"))
    with pytest.raises(ModelRefusedError, match=r"3 labels, and the model gives y0 \(n x 5\)"):
        adopt(two_outputs(tmp_path / "c.onnx", (5, 7)), said())


def test_activations_are_scipy_s() -> None:
    numbers = np.array([[-200.0, 0.0, 3.0], [1e4, 1e4, -5.0]], dtype=np.float32)
    np.testing.assert_allclose(
        activate(numbers, Activation.SOFTMAX), scipy.special.softmax(numbers, -1), atol=1e-6
    )
    np.testing.assert_allclose(
        activate(numbers, Activation.SIGMOID), scipy.special.expit(numbers), atol=1e-6
    )
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
    path = linear(tmp_path / "m.onnx", ("n", 96, 64), last=last)
    model = adopt(path, said())
    assert model.binding.activation is applied
    assert model.signature.multi_label is multi
    assert model.signature.threshold == (0.5 if multi else 0.0)


def test_logits_taken_for_probabilities_are_refused(tmp_path: Path) -> None:
    path = linear(tmp_path / "m.onnx", ("n", 96, 64), last=None)
    model = adopt(path, said(activation=Activation.NONE))
    with pytest.raises(ModelRefusedError, match="--activation softmax or sigmoid"):
        model.probabilities(np.full((1, 96, 64), 1e5, dtype=np.float32))


def test_a_clip_gets_what_librosa_and_numpy_give(
    run: Run, tmp_path: Path, make_wav: MakeWav
) -> None:
    path = linear(tmp_path / "m.onnx", ("n", 1, 96, 64), last=None)
    names = tmp_path / "labels.txt"
    names.write_text("ant\nbee\r\ncat\n\n")
    clip = make_wav(rate=16000)
    features = ("--feature", "logmel", "--n-mels", "64", "--n-fft", "512", "--hop", "160")
    finished = run(
        "classify", clip, "--model", path, "--labels", names, *features, "--sr", "16000", "--json"
    )
    assert finished.exit_code == 0, finished.stderr
    assert "taken for logits" in finished.stderr
    (result,) = finished.document["results"]
    signal, _ = librosa.load(clip, sr=16000)
    answers = []
    for start in (0, 15200, 32000 - 15200):
        segment = signal[start : start + 15200]
        mel = librosa.feature.melspectrogram(
            y=segment, sr=16000, n_fft=512, hop_length=160, n_mels=64
        )
        logits = librosa.power_to_db(mel).T.reshape(-1) @ matrix(96 * 64)
        answers.append(scipy.special.softmax(logits))
    expected = dict(zip(LABELS, np.mean(answers[: result["segments"]], axis=0), strict=True))
    for candidate in result["top"]:
        assert candidate["probability"] == pytest.approx(expected[candidate["label"]], abs=1e-4)


def test_a_config_file_says_the_features(run: Run, tmp_path: Path, make_wav: MakeWav) -> None:
    path = linear(tmp_path / "m.onnx", ("n", 96, 64))
    names = tmp_path / "labels.txt"
    names.write_text("ant\nbee\ncat\n")
    config = tmp_path / "logmel.toml"
    config.write_text('feature = "logmel"\nn_mels = 40\n')
    model = ("--model", path, "--labels", names, "--config", config)
    assert run("classify", make_wav(), *model, "--n-mels", "64").exit_code == 0
    refused = run("classify", make_wav(), *model)
    assert refused.exit_code == 4
    assert "N x 130 x 40" in refused.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\nb\na\n", "'a' stands on the lines 1, 3"),
        ("a\n\nb\n", "line 2 is empty"),
        ("", "line 1 is empty"),
        (b"\xff\xfe\x00", "UTF-8"),
    ],
)
def test_labels_that_make_no_sense(text: str | bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError, match=said):
        read_labels(path)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--n-mels", "64"), "add --labels"),
        (("--segment", "1"), "add --labels"),
        (("--multi-label",), "add --labels"),
        (("--labels", "l.txt"), "add --model"),
        (("--model", "auto", "--no-gate"), "auto"),
        (("--model", "a.onnx", "--ensemble", "a,b"), "either"),
        (("--ensemble", "genre-cnn"), "two models"),
        (("--threshold", "x"), "a probability"),
        (("--threshold", "0.1", "--threshold", "0.2"), "another for all"),
        (("--threshold", "rock=2"), "0 to 1"),
        (("--threshold", "polka=0.2"), "no such label"),
        (("--provider", "cuda"), "built without"),
        (("--provider", "abacus"), "knows no such"),
        (("--sr", "8000"), "--raw"),
    ],
)
def test_options_that_contradict_each_other(
    arguments: tuple[str, ...], said: str, run: Run, make_wav: MakeWav
) -> None:
    finished = run("classify", make_wav(), *arguments)
    assert finished.exit_code == 2
    assert said in finished.stderr
    assert finished.stderr.count("\n") == 1


def test_a_model_with_a_contract_wants_no_labels(run: Run, tmp_path: Path) -> None:
    names = tmp_path / "labels.txt"
    names.write_text("a\nb\n")
    finished = run("classify", "x.wav", "--model", "genre-cnn", "--labels", names)
    assert finished.exit_code == 2
    assert "leave out --labels" in finished.stderr


def external(path: Path, location: str) -> Path:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[64, 3])
    tensor.data_location = TensorProto.EXTERNAL
    for key, text in (("location", location), ("length", "768")):
        tensor.external_data.add(key=key, value=text)
    return write(
        path,
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        inputs=[value("x", TensorProto.FLOAT, ["n", 96, 64])],
        outputs=[value("y", TensorProto.FLOAT, ["n", 96, 3])],
        constants=[tensor],
    )


def huge(path: Path) -> Path:
    size = numpy_helper.from_array(np.array([1 << 20, 1 << 14]), "s")
    nodes = [
        helper.make_node("ConstantOfShape", ["s"], ["big"]),
        helper.make_node("ReduceMax", ["big"], ["m"], keepdims=0),
        helper.make_node("Flatten", ["x"], ["f"], axis=1),
        helper.make_node("MatMul", ["f", "w"], ["z"]),
        helper.make_node("Add", ["z", "m"], ["y"]),
    ]
    return write(
        path,
        nodes,
        inputs=[value("x", TensorProto.FLOAT, ["n", 96, 64])],
        outputs=[value("y", TensorProto.FLOAT, ["n", 3])],
        constants=[size, numpy_helper.from_array(matrix(96 * 64), "w")],
    )


def unknown(path: Path) -> Path:
    return write(
        path,
        [helper.make_node("Steal", ["x"], ["y"], domain="evil")],
        inputs=[value("x", TensorProto.FLOAT, ["n", 96, 64])],
        outputs=[value("y", TensorProto.FLOAT, ["n", 3])],
    )


def endless(path: Path) -> Path:
    inner = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["c2"]), helper.make_node("Sin", ["a"], ["a2"])],
        "body",
        [
            value("i", TensorProto.INT64, []),
            value("c", TensorProto.BOOL, []),
            value("a", TensorProto.FLOAT, None),
        ],
        [value("c2", TensorProto.BOOL, []), value("a2", TensorProto.FLOAT, None)],
    )
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"], axis=1),
        helper.make_node("MatMul", ["f", "w"], ["z"]),
        helper.make_node("Loop", ["most", "go", "z"], ["y"], body=inner),
    ]
    return write(
        path,
        nodes,
        inputs=[value("x", TensorProto.FLOAT, ["n", 96, 64])],
        outputs=[value("y", TensorProto.FLOAT, ["n", 3])],
        constants=[
            numpy_helper.from_array(matrix(96 * 64), "w"),
            numpy_helper.from_array(np.array(1 << 62), "most"),
            numpy_helper.from_array(np.array(True), "go"),
        ],
    )


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: external(path, "/etc/passwd"), "outside the model's folder"),
        (lambda path: external(path, "../../etc/passwd"), "outside the model's folder"),
        (lambda path: external(path, "weights.bin"), "ONNX Runtime"),
        (huge, "17,179,869,184 numbers"),
        (unknown, "ONNX Runtime"),
        (endless, "takes longer than"),
    ],
    ids=["absolute", "upwards", "missing", "huge", "unknown", "endless"],
)
def test_hostile_models_end_in_a_sentence(
    make: Callable[[Path], Path],
    said: str,
    run: Run,
    tmp_path: Path,
    make_wav: MakeWav,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runtime, "LONGEST_RUN_S", 0.3)
    names = tmp_path / "labels.txt"
    names.write_text("ant\nbee\ncat\n")
    features = ("--feature", "logmel", "--n-mels", "64", "--activation", "softmax")
    path = make(tmp_path / "m.onnx")
    finished = run("classify", make_wav(), "--model", path, "--labels", names, *features)
    assert finished.exit_code == 4
    assert said in finished.stderr
    assert finished.stderr.count("\n") == 1
    assert finished.stdout == ""


def test_a_hostile_model_with_a_contract_is_refused_too(tmp_path: Path) -> None:
    path = huge(tmp_path / "m.onnx")
    proto = onnx.load(path)
    helper.set_model_props(proto, {METADATA_KEY: encode(CONTRACT)})
    onnx.save(proto, path)
    with pytest.raises(ModelRefusedError, match="numbers"):
        open_model(path)
