"""What a model file must say, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audiocnn_cli.errors import ModelRefusedError
from audiocnn_cli.models.contract import METADATA_KEY, ModelContract, decode, encode
from audiocnn_cli.models.session import open_model
from tests.onnx_models import CONTRACT, LABELS, write_graph, write_model


def test_round_trip() -> None:
    assert decode(encode(CONTRACT), where="x.onnx") == CONTRACT


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("format_version", 2, "format_version"),
        ("labels", ["one"], "labels"),
        ("labels", ["a", "a", "b"], "labels"),
        ("threshold", 1.5, "threshold"),
        ("input_shape", [42, 7, 1], "input_shape"),
        ("input_shape", [41, 7, 3], "input_shape"),
        ("activation", "relu", "activation"),
        ("pooling", "median", "pooling"),
        ("members", 0, "members"),
        ("training_clips", {"ab": 1}, "training_clips"),
        ("segment", {"length": 0, "hop": 1}, "segment"),
        ("features", {"n_fft": 0}, "n_fft"),
        ("features", {"sample_rate": "8 kHz"}, "sample_rate"),
        ("golden", {"duration_s": 1.0, "probabilities": [1.0]}, "golden.probabilities"),
        (
            "figures",
            [{"name": "f", "value": 0.9, "interval_95": [0.1, 0.2], "n": 3, "protocol": ""}],
            "figures",
        ),
    ],
)
def test_a_field_that_does_not_hold_is_named(field: str, value: Any, said: str) -> None:
    document = json.loads(encode(CONTRACT)) | {field: value}
    with pytest.raises(ModelRefusedError, match=said) as refused:
        decode(json.dumps(document), where="x.onnx")
    assert str(refused.value).startswith("x.onnx: ")


@pytest.mark.parametrize("field", ["labels", "features", "golden", "data", "segment"])
def test_a_missing_field_is_named(field: str) -> None:
    document = json.loads(encode(CONTRACT))
    del document[field]
    with pytest.raises(ModelRefusedError, match=field):
        decode(json.dumps(document), where="x.onnx")


@pytest.mark.parametrize("document", ["", "{", "[]", "null", '"audiocnn"'])
def test_no_json_document_is_refused(document: str) -> None:
    with pytest.raises(ModelRefusedError):
        decode(document, where="x.onnx")


def test_a_graph_without_the_document_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelRefusedError, match="'audiocnn' document"):
        open_model(write_graph(tmp_path / "bare.onnx"))


def test_labels_that_the_graph_does_not_have_are_refused(tmp_path: Path) -> None:
    more = replace(
        CONTRACT,
        labels=(*LABELS, "noise"),
        golden=replace(CONTRACT.golden, probabilities=(0.25,) * 4),
    )
    with pytest.raises(ModelRefusedError, match="labels"):
        open_model(write_model(tmp_path / "m.onnx", more))


def test_an_input_that_the_graph_does_not_have_is_refused(tmp_path: Path) -> None:
    wider: ModelContract = replace(
        CONTRACT, features=replace(CONTRACT.features, n_mfcc=8), input_shape=(41, 8, 1)
    )
    with pytest.raises(ModelRefusedError, match="input_shape"):
        open_model(write_model(tmp_path / "m.onnx", wider))


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
    model = open_model(
        write_graph(tmp_path / "m.onnx", {METADATA_KEY: encode(CONTRACT)}, last=last)
    )
    tensors = np.full((2, *CONTRACT.input_shape[:2]), -1e4, dtype=np.float32)
    with pytest.raises(ModelRefusedError, match="no probabilities"):
        model.probabilities(tensors)
