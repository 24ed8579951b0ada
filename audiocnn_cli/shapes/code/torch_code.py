"""A stack as a PyTorch module that runs."""

from audiocnn_cli.shapes.choices import Framework
from audiocnn_cli.shapes.code.source import Node, Source, describe, handler_of
from audiocnn_cli.shapes.code.torch_layers import FIRST, FUNCTIONS, HANDLERS, LAST
from audiocnn_cli.shapes.code.torch_windows import refuse
from audiocnn_cli.shapes.layers import dense, elementwise
from audiocnn_cli.shapes.sizes import Shape
from audiocnn_cli.shapes.step import Layer
from audiocnn_cli.shapes.trace import INPUT, Trace

_IMPORTS = """import torch
import torch.nn.functional as F
from torch import nn
"""


def torch_code(layers: tuple[Layer, ...], trace: Trace) -> str:
    """The stack of `trace` as a module `Net`, with the input in PyTorch's order.

    Raises:
        CodeError: PyTorch can't express a layer.
    """
    return _Writer(Source(layers, trace)).text()


class _Writer:
    """The lines of the two functions, and the order of the axes of each variable."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.modules: list[str] = []
        self.lines: list[str] = []
        shape = source.trace.input
        order = self._first_order() if len(shape) > 1 else LAST
        self.orders = {source.variables[INPUT]: order}
        self.input_shape = _in_order(shape, order)

    def text(self) -> str:
        for node in self.source.nodes:
            self._write(node)
        trace, outputs = self.source.trace, self.source.outputs
        ends = [_in_order(shape, self.orders[x]) for (_, shape), x in zip(trace.ends, outputs, strict=True)]
        head = describe(trace, Framework.TORCH, _batch(self.input_shape), list(map(_batch, ends)))
        entry = self.source.variables[INPUT]
        tokens = any(
            node.step.type == "embedding" and INPUT in node.step.sources for node in self.source.nodes
        )
        sizes = ", ".join(map(str, (2, *self.input_shape)))
        example = f"torch.zeros({sizes}{', dtype=torch.long' if tokens else ''})"
        result = "y.shape" if len(outputs) == 1 else "[each.shape for each in y]"
        return "\n".join(
            [
                f'"""{head}"""\n',
                _IMPORTS,
                "\nclass Net(nn.Module):",
                "    def __init__(self):",
                "        super().__init__()",
                *(f"        {line}" for line in self.modules),
                "",
                f"    def forward(self, {entry}):",
                *(f"        {line}" for line in self.lines),
                f"        return {', '.join(outputs)}",
                "",
                "",
                'if __name__ == "__main__":',
                "    net = Net()",
                f"    y = net({example})",
                f"    print({result}, sum(p.numel() for p in net.parameters() if p.requires_grad))",
                "",
            ]
        )

    def _first_order(self) -> str:
        """The order of the input: that of the first layer that needs one."""
        for node in self.source.nodes:
            found = handler_of(HANDLERS, node.layer)
            if found and found[1]:
                return found[1]
        return FIRST

    def _write(self, node: Node) -> None:
        if isinstance(node.layer, elementwise.Merge):
            self._merge(node)
        else:
            self._apply(node)
        activation = node.step.activation
        alone = isinstance(node.layer, elementwise.Activation)
        x = node.sources[0] if alone else node.target
        if activation in FUNCTIONS:
            self._line(node.target, FUNCTIONS[activation].format(x, c=self._channels(node.target)))
        elif alone and node.target != x:
            self._line(node.target, x)  # linear
        if self.lines and self.orders[node.target]:
            shape = _in_order(node.step.output, self.orders[node.target])
            self.lines[-1] = f"{self.lines[-1]}  # {', '.join(map(str, shape))}"

    def _apply(self, node: Node) -> None:
        """The lines of a layer with one input, in the order of axes that it takes."""
        found = handler_of(HANDLERS, node.layer)
        if found is None:
            raise refuse(node, "PyTorch has no such layer")
        make, order = found
        modules, lines = make(node)
        x, rank = node.sources[0], node.rank
        current = self.orders[x]
        if order and order != current and rank:
            self._line(node.target, _moved(x, order))
            x, current = node.target, order
        self.orders[node.target] = _after(node, current)
        owner = self.source.owner(node.layer)
        if owner and owner.step.type == "embedding" and node.step.type == "dense":
            modules, lines = {}, ["F.linear({x}, {m}.weight)"]
        if owner is None:
            self.modules += [f"self.{node.name}{suffix} = {module}" for suffix, module in modules.items()]
        for line in lines:
            channels = 1 if current == FIRST or not rank else -1
            module = f"self.{(owner or node).name}"
            self._line(node.target, line.format(x=x, m=module, c=channels))
            x = node.target

    def _merge(self, node: Node) -> None:
        """The lines of a layer of several inputs, brought to one order and one number of axes."""
        by_name = {INPUT: self.source.trace.input} | {
            each.step.name: each.step.output for each in self.source.nodes
        }
        ranks = [len(by_name[name]) - 1 for name in node.step.sources]
        rank = max(ranks)
        order = next(self.orders[x] for x, r in zip(node.sources, ranks, strict=True) if r == rank)
        terms = []
        for x, r in zip(node.sources, ranks, strict=True):
            term = _moved(x, order) if r and self.orders[x] != order else x
            dim = 2 if order == FIRST else 1
            terms.append(term + f".unsqueeze({dim})" * (rank - r if r != rank else 0))
        layer = node.layer
        if isinstance(layer, elementwise.Concat):
            channels = 1 if order == FIRST and rank else -1
            dim = channels if layer.axis in {0, rank + 1} else layer.axis + (order == FIRST)
            expression = f"torch.cat([{', '.join(terms)}], dim={dim})"
        elif isinstance(layer, elementwise.Sample):
            mean, deviation = terms[0], " + ".join(terms[1:])
            expression = f"{mean} + torch.exp(0.5 * {deviation}) * torch.randn_like({mean})"
        elif isinstance(layer, elementwise.Elementwise):
            expression = (" * " if isinstance(layer, elementwise.Multiply) else " + ").join(terms)
        else:
            raise refuse(node, "it takes the boxes of the regions, which a stack does not have")
        self.orders[node.target] = order
        self._line(node.target, expression)

    def _channels(self, variable: str) -> int:
        return 1 if self.orders[variable] == FIRST else -1

    def _line(self, target: str, expression: str) -> None:
        self.lines.append(f"{target} = {expression}")


def _batch(shape: Shape) -> str:
    return f"(N, {', '.join(map(str, shape))})"


def _after(node: Node, order: str) -> str:
    """The order of the axes after a layer: last where it has made a sequence or one axis of them."""
    flat = len(node.step.output) == 1
    return LAST if flat or isinstance(node.layer, dense.Patches) else order


def _moved(x: str, order: str) -> str:
    return f"{x}.movedim(-1, 1)" if order == FIRST else f"{x}.movedim(1, -1)"


def _in_order(shape: Shape, order: str) -> Shape:
    return (shape[-1], *shape[:-1]) if order == FIRST else shape
