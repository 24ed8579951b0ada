"""Store what Keras makes of the code that `--code keras` prints: `python tests/shapes/keras_code_oracle.py`.

Keras is no dependency of the project, not even of its tests; run this where it is installed
(KERAS_BACKEND=torch python tests/shapes/keras_code_oracle.py) after changing the code that is printed.
"""

import hashlib
import json
from math import prod
from pathlib import Path
from typing import Any

from audiocnn_cli.shapes.choices import Framework, architecture_names
from audiocnn_cli.shapes.code.keras_code import keras_code
from audiocnn_cli.shapes.code.source import CodeError
from audiocnn_cli.shapes.grammar import read_layer
from audiocnn_cli.shapes.sizes import Sizes
from audiocnn_cli.shapes.stackfile import architecture
from audiocnn_cli.shapes.step import Layer
from audiocnn_cli.shapes.trace import Trace, trace
from tests.shapes.random_stacks import STACKS, random_stack

RESULTS = Path(__file__).parent / "keras_code_results.json"
RANDOM = 240
_LARGEST = 6_000_000  # parameters of an architecture that is built


def cases() -> list[tuple[str, str, Sizes, tuple[Layer, ...]]]:
    """The name of an architecture or none, the layers as text, the input and the layers."""
    found: list[tuple[str, str, Sizes, tuple[Layer, ...]]] = []
    for shape, text in STACKS:
        found.append(("", text, tuple(map(int, shape.split("x"))), tuple(map(read_layer, text.split()))))
    for number in range(RANDOM):
        sizes, texts = random_stack(number, Framework.KERAS)
        found.append(("", " ".join(texts), sizes, tuple(map(read_layer, texts))))
    for name in architecture_names():
        stack = architecture(name)
        if (stack.params or 0) < _LARGEST:
            found.append((name, "", stack.input_shape, stack.layers))
    return found


def code_and_trace(layers: tuple[Layer, ...], shape: Sizes) -> tuple[str | None, Trace]:
    """The code, None where Keras can't express a layer, and the stack by Keras' rules."""
    found = trace(layers, shape, framework=Framework.KERAS)
    try:
        return keras_code(layers, found), found
    except CodeError:
        return None, found


def digest(code: str) -> str:
    """A short hash of the code after its docstring."""
    return hashlib.sha256(code.split('"""')[2].encode()).hexdigest()[:16]


def main() -> None:
    """Run the code of every case and write what Keras has: trainable parameters and output shapes."""
    import keras  # type: ignore[import-not-found]  # see the module's docstring

    results = []
    for name, text, shape, layers in cases():
        code, _ = code_and_trace(layers, shape)
        if code is None:
            continue
        names: dict[str, Any] = {"__name__": "printed"}
        exec(compile(code, "model.py", "exec"), names)  # noqa: S102 (the code is printed here)
        model = names["model"]
        params = sum(prod(weight.shape) for weight in model.trainable_weights)
        outputs = [list(output.shape[1:]) for output in model.outputs]
        results.append(
            {
                "arch": name,
                "layers": text,
                "input": shape,
                "code": digest(code),
                "params": params,
                "outputs": outputs,
            }
        )
    lines = ",\n".join(json.dumps(result) for result in results)
    made = "tests/shapes/keras_code_oracle.py"
    RESULTS.write_text(f'{{"made_by": "{made}", "keras": "{keras.__version__}", "results": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
