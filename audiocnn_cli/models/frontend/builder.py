"""Collect the nodes and constants of an ONNX graph; values are referred to by their names."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import helper, numpy_helper

# The opset since which the axes of reductions are inputs; before they were attributes.
_REDUCTIONS_BY_INPUT = 18


class GraphBuilder:
    """Nodes in the order of their use, for the standard operators of version `opset`.

    Names of values start with `prefix`.
    """

    def __init__(self, *, opset: int, prefix: str = "frontend") -> None:
        self.opset = opset
        self.prefix = prefix
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def node(self, operator: str, *inputs: str, attributes: Mapping[str, object] | None = None) -> str:
        """Add a node of one output, and give the output's name."""
        output = f"{self.prefix}/{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **(attributes or {})))
        return output

    def constant(self, value: NDArray[Any]) -> str:
        """Add a constant, and give its name."""
        name = f"{self.prefix}/constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def sizes(self, *sizes: int) -> str:
        """A constant of shape (n,) and type int64: sizes, axes, positions."""
        return self.constant(np.array(sizes, dtype=np.int64))

    def matrix(self, values: NDArray[np.floating]) -> str:
        """A float32 constant of any shape."""
        return self.constant(values.astype(np.float32))

    def number(self, value: float) -> str:
        """A float32 constant without axes."""
        return self.constant(np.array(value, dtype=np.float32))

    def slice(self, value: str, *, axis: int, start: int, stop: int, step: int = 1) -> str:
        """The part of `value` from `start` to `stop` along one axis."""
        ranges = (self.sizes(number) for number in (start, stop, axis, step))
        return self.node("Slice", value, *ranges)

    def concat(self, *values: str, axis: int) -> str:
        """`values` one after the other along one axis."""
        return self.node("Concat", *values, attributes={"axis": axis})

    def reduce(self, operator: str, value: str, *, axes: tuple[int, ...], keep: bool) -> str:
        """`ReduceMax` or `ReduceMean` over some axes, which stay with size 1 or go."""
        if self.opset >= _REDUCTIONS_BY_INPUT:
            return self.node(operator, value, self.sizes(*axes), attributes={"keepdims": int(keep)})
        return self.node(operator, value, attributes={"axes": axes, "keepdims": int(keep)})
