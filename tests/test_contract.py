"""The contract of a model file: every rule that it must hold, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from audiocnn_cli.audio.segments import SegmentConfig
from audiocnn_cli.errors import ModelRefusedError, UsageError
from audiocnn_cli.models.contract import (
    METADATA_KEY,
    Figure,
    Golden,
    GraphBinding,
    ModelContract,
    decode,
    encode,
)
from audiocnn_cli.models.session import open_model
from audiocnn_cli.models.signature import Activation, Kind, Layout
from tests.onnx_models import CONTRACT, LABELS, weights, write_graph, write_model

FIGURE: dict[str, Any] = {"name": "f", "value": 0.5, "interval_95": [0.2, 0.8], "n": 3, "protocol": ""}
GRAPH: dict[str, Any] = {"layout": "NxTxF", "input": "features"}


def test_round_trip() -> None:
    assert decode(encode(CONTRACT), where="x.onnx") == CONTRACT


# Every rule of a contract, broken: the field, its value, and the problem that is named.
BROKEN: list[tuple[str, Any, str]] = [
    ("format_version", 2, "format_version"),
    ("format_version", None, "format_version"),
    ("labels", ["one"], "labels must be two"),
    ("labels", ["a", "a", "b"], "labels must be two"),
    ("labels", ["a", "", "b"], "labels must be two"),
    ("threshold", 1.5, "threshold must be"),
    ("threshold", -0.1, "threshold must be"),
    ("thresholds", {"hum": 1.5}, "thresholds must be"),
    ("thresholds", {"polka": 0.5}, "thresholds must be"),
    ("activation", "relu", "activation"),
    ("activation", "none", "activation must be"),
    ("pooling", "median", "pooling"),
    ("segment", {"length": 0, "hop": 1}, "segment.hop must be"),
    ("segment", {"length": 4000, "hop": 0}, "segment.hop must be"),
    ("segment", {"length": 4000, "hop": 4001}, "segment.hop must be"),
    ("segment", {"length": 4000}, "hop"),
    ("input_shape", [42, 7, 1], "input_shape"),
    ("input_shape", [41, 8, 1], "input_shape"),
    ("input_shape", [41, 7, 3], "input_shape"),
    ("input_shape", [41], "input_shape"),
    ("members", 0, "members must be"),
    ("training_clips", {"ab": 1}, "training_clips must be"),
    ("training_clips", {"ab": -2}, "training_clips must be"),
    ("features", {"n_fft": 0}, "n_fft"),
    ("features", {"sample_rate": "8 kHz"}, "sample_rate"),
    ("golden", {"duration_s": 1.0, "probabilities": [1.0]}, "golden.probabilities must be 3"),
    ("golden", {"duration_s": 0.0, "probabilities": [0, 0, 1]}, "golden.duration_s"),
    ("golden", {"duration_s": 1.0, "probabilities": [0, 0, 1], "tolerance": 0}, "golden.tolerance"),
    ("golden", {"duration_s": 1.0}, "golden.probabilities must be 3"),
    ("data", {"name": "x"}, "licence"),
    ("figures", [FIGURE | {"value": 0.9}], "figures: f must be"),
    ("figures", [FIGURE | {"interval_95": [-0.1, 0.8]}], "figures: f must be"),
    ("figures", [FIGURE | {"interval_95": [0.2, 1.1]}], "figures: f must be"),
    ("figures", [FIGURE | {"n": 0}], "figures: f must be"),
    ("figures", [FIGURE | {"n": None}], "figures"),
    ("graph", {"layout": "NxTxF"}, "input"),
    ("graph", {"layout": "NxFxFxT", "input": "x"}, "layout"),
    ("graph", GRAPH | {"layout": "NxT"}, "graph.layout NxT does not fit the feature mfcc"),
    ("graph", GRAPH | {"layout": "TxF"}, "graph.single must be true"),
    ("graph", GRAPH | {"mean": [0.0]}, "graph.mean and graph.std"),
    ("graph", GRAPH | {"mean": [0.0] * 3, "std": [1.0] * 3}, "graph.mean and graph.std"),
    ("graph", GRAPH | {"mean": [0.0], "std": [0.0]}, "graph.std must be above 0"),
]


@pytest.mark.parametrize(("field", "value", "problem"), BROKEN)
def test_a_field_that_does_not_hold_is_named(field: str, value: Any, problem: str) -> None:
    document = json.loads(encode(CONTRACT)) | {field: value}
    with pytest.raises(ModelRefusedError) as refused:
        decode(json.dumps(document), where="x.onnx")
    assert str(refused.value).startswith("x.onnx: ")
    assert problem in str(refused.value)


def test_a_segment_shorter_than_one_frame_is_named() -> None:
    short = replace(
        CONTRACT,
        features=replace(CONTRACT.features, center=False),
        segment=SegmentConfig(length=255, hop=255),
        input_shape=(0, 7, 1),
    )
    with pytest.raises(ModelRefusedError, match="shorter than one frame"):
        decode(encode(short), where="x.onnx")


EMBEDDER = replace(
    CONTRACT,
    kind=Kind.EMBEDDING,
    labels=(),
    thresholds={},
    activation=Activation.NONE,
    dimensions=3,
    golden=Golden(duration_s=1.0, values=(0.5, -2.0, 7.0)),
    figures=(),
)
REGRESSOR = replace(
    EMBEDDER,
    kind=Kind.REGRESSION,
    labels=("tempo",),
    dimensions=None,
    golden=Golden(duration_s=1.0, values=(120.0,)),
    figures=(Figure(name="MAE", value=7.5, interval_95=(6.0, 9.0), n=40, protocol=""),),
)


@pytest.mark.parametrize("contract", [EMBEDDER, REGRESSOR], ids=lambda contract: str(contract.kind))
def test_the_other_kinds_round_trip(contract: ModelContract) -> None:
    assert decode(encode(contract), where="x.onnx") == contract


@pytest.mark.parametrize(
    ("contract", "problem"),
    [
        (replace(EMBEDDER, labels=("a", "b")), "labels must be"),
        (replace(EMBEDDER, dimensions=None), "dimensions must be stated"),
        (replace(EMBEDDER, dimensions=0), "dimensions must be at least 1"),
        (replace(EMBEDDER, dimensions=4), "golden.values must be 4"),
        (replace(EMBEDDER, golden=Golden(duration_s=1.0, probabilities=(1.0, 0.0, 0.0))), "golden.values"),
        (replace(EMBEDDER, activation=Activation.SOFTMAX), "activation must be"),
        (replace(REGRESSOR, labels=("a", "b")), "labels must be"),
        (replace(REGRESSOR, golden=Golden(duration_s=1.0, values=(1.0, 2.0))), "golden.values must be 1"),
        (replace(CONTRACT, golden=Golden(duration_s=1.0, values=(1.0, 0.0, 0.0))), "golden.probabilities"),
    ],
)
def test_a_rule_of_the_other_kinds_is_named(contract: ModelContract, problem: str) -> None:
    with pytest.raises(ModelRefusedError, match=problem):
        decode(encode(contract), where="x.onnx")


REQUIRED = {
    *("name", "labels", "features", "segment", "task", "input_shape", "data", "golden"),
    *("architecture", "command", "format_version"),
}


@pytest.mark.parametrize("field", sorted(REQUIRED))
def test_a_missing_field_is_named(field: str) -> None:
    document = json.loads(encode(CONTRACT))
    del document[field]
    with pytest.raises(ModelRefusedError, match=field):
        decode(json.dumps(document), where="x.onnx")


def test_the_fields_of_the_first_version_suffice() -> None:
    """Files of earlier versions of audiocnn lack what was added since."""
    document = {name: json.loads(encode(CONTRACT))[name] for name in REQUIRED}
    assert decode(json.dumps(document), where="x.onnx") == replace(CONTRACT, figures=())


@pytest.mark.parametrize("document", ["", "{", "[]", "null", '"audiocnn"'])
def test_no_json_document_is_refused(document: str) -> None:
    with pytest.raises(ModelRefusedError):
        decode(document, where="x.onnx")


def test_a_graph_without_the_document_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelRefusedError, match="has no contract"):
        open_model(write_graph(tmp_path / "bare.onnx"))


def test_labels_that_the_graph_does_not_have_are_refused(tmp_path: Path) -> None:
    more = replace(
        CONTRACT, labels=(*LABELS, "noise"), golden=replace(CONTRACT.golden, probabilities=(0.25,) * 4)
    )
    with pytest.raises(ModelRefusedError, match="labels"):
        open_model(write_model(tmp_path / "m.onnx", more))


def test_an_input_that_the_graph_does_not_have_is_refused(tmp_path: Path) -> None:
    wider: ModelContract = replace(
        CONTRACT, features=replace(CONTRACT.features, n_mfcc=8), input_shape=(41, 8, 1)
    )
    with pytest.raises(ModelRefusedError, match="input_shape"):
        open_model(write_model(tmp_path / "m.onnx", wider))


BOUND = GraphBinding(layout=Layout.NTF1, input="features")


@pytest.mark.parametrize(
    ("graph", "problem"),
    [
        (replace(BOUND, input="x"), "its inputs are not those of the graph: features"),
        (replace(BOUND, lengths="x"), "its inputs are not those of the graph: features"),
        (replace(BOUND, layout=Layout.NTF), "input_shape"),
        (replace(BOUND, layout=Layout.NFT1), "input_shape"),
        (replace(BOUND, output="logit"), "no output logit"),
        (replace(BOUND, embedding="vector"), "no output vector"),
    ],
)
def test_a_binding_that_the_graph_does_not_have_is_refused(
    graph: GraphBinding, problem: str, tmp_path: Path
) -> None:
    open_model(write_model(tmp_path / "good.onnx", replace(CONTRACT, graph=BOUND)))
    with pytest.raises(ModelRefusedError, match=problem):
        open_model(write_model(tmp_path / "m.onnx", replace(CONTRACT, graph=graph)))


def test_members_that_the_graph_does_not_have_are_refused(tmp_path: Path) -> None:
    document = encode(replace(CONTRACT, members=2))
    with pytest.raises(ModelRefusedError, match="no output member_probabilities"):
        open_model(write_graph(tmp_path / "m.onnx", {METADATA_KEY: document}))
    with pytest.raises(ModelRefusedError, match=r"must have \[2, 3\]"):
        open_model(write_graph(tmp_path / "m.onnx", {METADATA_KEY: document}, members=3))


@pytest.mark.parametrize(("kind", "batch"), [(TensorProto.DOUBLE, "n"), (TensorProto.FLOAT, 1)])
def test_an_input_of_another_type_or_a_fixed_batch_is_refused(
    kind: int, batch: int | str, tmp_path: Path
) -> None:
    path = write_model(tmp_path / "m.onnx")
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.elem_type = kind
    model.graph.input[0].type.tensor_type.shape.dim[0].Clear()
    dim = model.graph.input[0].type.tensor_type.shape.dim[0]
    setattr(dim, "dim_value" if isinstance(batch, int) else "dim_param", batch)
    if kind == TensorProto.DOUBLE:
        cast = helper.make_node("Cast", ["features"], ["single"], to=TensorProto.FLOAT)
        model.graph.node[0].input[0] = "single"
        model.graph.node.insert(0, cast)
    onnx.save(model, path)
    with pytest.raises(ModelRefusedError, match=r"input_shape|double"):
        open_model(path)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"\x00" * 1000, b"not a model\n"])
def test_a_file_that_is_no_onnx_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelRefusedError, match=r"m\.onnx: "):
        open_model(path)


def test_an_external_document_key_alone_is_not_enough(tmp_path: Path) -> None:
    with pytest.raises(ModelRefusedError, match="contract does not hold"):
        open_model(write_graph(tmp_path / "m.onnx", {METADATA_KEY: '{"format_version": 1}'}))


@pytest.mark.parametrize("last", ["Identity", "Log"])
def test_what_gives_no_probabilities_is_refused(last: str, tmp_path: Path) -> None:
    """Logits without a softmax, and NaN (the logarithm of a negative number)."""
    model = open_model(write_graph(tmp_path / "m.onnx", {METADATA_KEY: encode(CONTRACT)}, last=last))
    tensors = np.full((2, *CONTRACT.input_shape[:2]), -1e4, dtype=np.float32)
    with pytest.raises(ModelRefusedError, match="no probabilities"):
        model.scores(tensors)


@pytest.mark.parametrize(
    ("kind", "output"), [(Kind.EMBEDDING, "embedding"), (Kind.REGRESSION, "values")], ids=str
)
def test_the_other_kinds_give_their_numbers(kind: Kind, output: str, tmp_path: Path) -> None:
    """Compared with the matrix product that the graph consists of; any finite number is one."""
    matrix = weights(1 if kind is Kind.REGRESSION else 3)
    contract = REGRESSOR if kind is Kind.REGRESSION else EMBEDDER
    bare = onnx.load(write_graph(tmp_path / "bare.onnx", classes=matrix.shape[1], last="Identity"))
    bare.graph.node[-1].output[0] = bare.graph.output[0].name = output
    helper.set_model_props(bare, {METADATA_KEY: encode(contract)})
    onnx.save(bare, tmp_path / "m.onnx")
    model = open_model(tmp_path / "m.onnx")
    tensors = np.random.default_rng(1).normal(0, 9, (2, *CONTRACT.input_shape[:2])).astype(np.float32)
    expected = tensors.reshape(2, -1) @ matrix
    np.testing.assert_allclose(model.scores(tensors), expected, rtol=1e-4, atol=1e-5)
    if kind is Kind.EMBEDDING:
        np.testing.assert_allclose(model.embeddings(tensors), expected, rtol=1e-4, atol=1e-5)
    else:
        with pytest.raises(UsageError, match="has no embedding"):
            model.embeddings(tensors)
    with pytest.raises(ModelRefusedError, match="not finite"):
        model.scores(np.full_like(tensors, np.inf))
