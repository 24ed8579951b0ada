"""The Keras code of a stack gives what Keras made of it, which keras_code_oracle.py has stored."""

import json
from typing import Any

import pytest

from audiocnn_cli.errors import UsageError
from audiocnn_cli.shapes.choices import CodeFor
from audiocnn_cli.shapes.code.source import CodeError
from audiocnn_cli.shapes.code.write import code_of
from audiocnn_cli.shapes.grammar import read_layer
from audiocnn_cli.shapes.stackfile import architecture
from audiocnn_cli.shapes.work_out import StackRequest
from tests.shapes.keras_code_oracle import RESULTS, code_and_trace, digest

ANSWERS: list[dict[str, Any]] = json.loads(RESULTS.read_text())["results"]


def test_parameters_and_outputs_are_those_of_keras() -> None:
    for theirs in ANSWERS:
        name, text = theirs["arch"], theirs["layers"]
        layers = architecture(name).layers if name else tuple(map(read_layer, text.split()))
        code, found = code_and_trace(layers, tuple(theirs["input"]))
        assert code is not None, text
        assert digest(code) == theirs["code"], f"{name}{text}: the code has changed; run keras_code_oracle.py"
        assert found.params == theirs["params"], text
        assert [list(shape) for _, shape in found.ends] == theirs["outputs"], text
    assert len(ANSWERS) > 100


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        ("conv:8@3/2,dilation=2", "no stride together with a dilation"),
        ("convtranspose:8@3,groups=2", "no groups"),
        ("maxpool:2,dilation=2", "no pooling with a dilation"),
        ("avgpool:2,ceil", "no ceil mode"),
        ("depthwise@3/2x1", "one stride for both axes"),
        ("diagonallstm:8", "no such layer"),
    ],
)
def test_what_keras_lacks_is_refused_in_one_sentence(layer: str, reason: str) -> None:
    with pytest.raises(CodeError, match=f"layer 1, .* can't be written as Keras code: .*{reason}"):
        code_of(StackRequest(layers=(layer,), input_shape="20x20x4"), CodeFor.KERAS)


def test_code_has_the_rules_of_its_framework() -> None:
    request = StackRequest(layers=("lstm:8",), input_shape="20x4", framework="torch")
    with pytest.raises(UsageError, match="other rules"):
        code_of(request, CodeFor.KERAS)
    assert "416 trainable parameters by the rules of Keras" in code_of(
        StackRequest(layers=("lstm:8",), input_shape="20x4"), CodeFor.KERAS
    )
    assert "448 trainable parameters by the rules of PyTorch" in code_of(request, CodeFor.TORCH)
