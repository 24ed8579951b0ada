"""A stack as a Keras model that runs, by the functional interface of Keras 3."""

from audiocnn_cli.shapes.choices import Framework
from audiocnn_cli.shapes.code.keras_classes import CLASSES
from audiocnn_cli.shapes.code.keras_layers import HANDLERS, WITH_ACTIVATION, activation_of, refuse
from audiocnn_cli.shapes.code.source import Node, Source, describe, handler_of
from audiocnn_cli.shapes.layers import elementwise
from audiocnn_cli.shapes.sizes import Shape
from audiocnn_cli.shapes.step import Layer
from audiocnn_cli.shapes.trace import INPUT, Trace


def keras_code(layers: tuple[Layer, ...], trace: Trace) -> str:
    """The stack of `trace` as the function calls that make a `model`, channels last.

    Raises:
        CodeError: Keras can't express a layer.
    """
    return _Writer(Source(layers, trace)).text()


class _Writer:
    """The lines of the model."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.lines: list[str] = []
        self.owners = {layer.weights for layer in source.layers if layer.weights}

    def text(self) -> str:
        for node in self.source.nodes:
            self._write(node)
        trace, outputs = self.source.trace, self.source.outputs
        body = "\n".join(self.lines)
        classes = [text for name, text in CLASSES.items() if f"{name}(" in body]
        uses_ops = "ops." in body or any("ops." in text for text in classes)
        first = self.source.variables[INPUT]
        tokens = any(
            node.step.type == "embedding" and INPUT in node.step.sources for node in self.source.nodes
        )
        shape = f"({', '.join(map(str, trace.input))},)" if len(trace.input) == 1 else str(trace.input)
        ends = outputs[0] if len(outputs) == 1 else f"[{', '.join(outputs)}]"
        kind = ', dtype="int32"' if tokens else ""
        head = describe(
            trace, Framework.KERAS, _batch(trace.input), [_batch(shape) for _, shape in trace.ends]
        )
        start = f"inputs = layers.Input({shape}{kind})"
        return "\n".join(
            [
                f'"""{head}"""\n',
                "import keras",
                f"from keras import layers{', ops' if uses_ops else ''}",
                "",
                *(f"\n{text}" for text in classes),
                start,
                *([f"{first} = inputs"] if first != "inputs" else []),
                *self.lines,
                f"model = keras.Model(inputs, {ends})",
                "",
                'if __name__ == "__main__":',
                "    model.summary()",
                "",
            ]
        )

    def _write(self, node: Node) -> None:
        if isinstance(node.layer, elementwise.Merge):
            self._line(node.target, self._merged(node))
        else:
            self._apply(node)
        activation = activation_of(node)
        if activation and not isinstance(node.layer, WITH_ACTIVATION):
            self._line(node.target, f"layers.Activation({activation})({node.target})")
        self.lines[-1] = f"{self.lines[-1]}  # {', '.join(map(str, node.step.output))}"

    def _apply(self, node: Node) -> None:
        make = handler_of(HANDLERS, node.layer)
        if make is None:
            raise refuse(node, "Keras has no such layer")
        owner = self.source.owner(node.layer)
        made = make(node)
        x = node.sources[0]
        if owner and owner.step.type == "embedding" and node.step.type == "dense":
            made = [f"ops.matmul({{x}}, ops.transpose({owner.name}_layer.embeddings))"]
        for text in made:
            if "{x}" in text:
                expression = text.format(x=x)
            elif owner:
                expression = f"{owner.name}_layer({x})" if text == self._main(made) else f"{text}({x})"
            elif node.step.name in self.owners and text == self._main(made):
                self.lines.append(f"{node.name}_layer = {text}")
                expression = f"{node.name}_layer({x})"
            else:
                expression = f"{text}({x})"
            self._line(node.target, expression)
            x = node.target

    def _main(self, made: list[str]) -> str:
        """The layer that has the weights."""
        rest = [text for text in made if "ZeroPadding" not in text and "Cropping" not in text]
        return rest[0] if rest else made[0]

    def _merged(self, node: Node) -> str:
        layer = node.layer
        shapes: dict[str, Shape] = {INPUT: self.source.trace.input}
        shapes |= {each.step.name: each.step.output for each in self.source.nodes}
        inputs = [shapes[name] for name in node.step.sources]
        rank = max(map(len, inputs))
        terms = [
            x if len(shape) == rank else f"layers.Reshape({(1,) * (rank - len(shape)) + shape})({x})"
            for x, shape in zip(node.sources, inputs, strict=True)
        ]
        joined = f"[{', '.join(terms)}]"
        if isinstance(layer, elementwise.Concat):
            axis = "" if layer.axis in {0, rank} else f"axis={layer.axis}"
            return f"layers.Concatenate({axis})({joined})"
        if isinstance(layer, elementwise.Sample):
            return f"Sampling()({joined})"
        if isinstance(layer, elementwise.Elementwise):
            kind = "Multiply" if isinstance(layer, elementwise.Multiply) else "Add"
            return f"layers.{kind}()({joined})"
        raise refuse(node, "Keras has no such layer")

    def _line(self, target: str, expression: str) -> None:
        self.lines.append(f"{target} = {expression}")


def _batch(shape: Shape) -> str:
    return f"(None, {', '.join(map(str, shape))})"
