"""Keras' own answers, kept in keras_answers.json by keras_oracle.py."""

import json
from pathlib import Path
from typing import Any

import pytest

from audiocnn_cli.shapes.grammar import read_layer, show_layer
from audiocnn_cli.shapes.step import ShapeError
from audiocnn_cli.shapes.trace import trace

ANSWERS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "keras_answers.json").read_text()
)["answers"]


@pytest.mark.parametrize("answer", ANSWERS, ids=[f"{a['layer']}-{a['input']}" for a in ANSWERS])
def test_shape_and_parameters_are_keras(answer: dict[str, Any]) -> None:
    layer = read_layer(answer["layer"])
    assert read_layer(show_layer(layer)) == layer
    if answer["output"] is None:
        with pytest.raises(ShapeError):
            trace([layer], tuple(answer["input"]))
        return
    (step,) = trace([layer], tuple(answer["input"])).steps
    assert list(step.output) == answer["output"]
    assert step.params == answer["params"]
