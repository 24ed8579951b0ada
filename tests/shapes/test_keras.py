"""Shapes and parameters are those of Keras, which keras_oracle.py has stored in keras_results.json."""

import json
from pathlib import Path
from typing import Any

import pytest

from audiocnn_cli.shapes.grammar import read_layer, show_layer
from audiocnn_cli.shapes.step import ShapeError
from audiocnn_cli.shapes.trace import trace

RESULTS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "keras_results.json").read_text())[
    "results"
]


@pytest.mark.parametrize("result", RESULTS, ids=[f"{a['layer']}-{a['input']}" for a in RESULTS])
def test_shape_and_parameters_are_keras(result: dict[str, Any]) -> None:
    layer = read_layer(result["layer"])
    assert read_layer(show_layer(layer)) == layer
    if result["output"] is None:
        with pytest.raises(ShapeError):
            trace([layer], tuple(result["input"]))
        return
    (step,) = trace([layer], tuple(result["input"])).steps
    assert list(step.output) == result["output"]
    assert step.params == result["params"]
