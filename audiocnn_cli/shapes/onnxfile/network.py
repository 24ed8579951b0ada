"""A model as blocks of operators: each tensor has a number, and bodies read the tensors around them by it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any

from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, TypeProto

from audiocnn_cli.errors import ModelRefusedError
from audiocnn_cli.shapes.sizes import shorten

MISSING = -1  # the number of an input or output that is left out
_STANDARD = {"ai.onnx": "", "": ""}
_CONSTANTS = frozenset({"value", "value_int", "value_ints", "value_float", "value_floats", "sparse_value"})


@dataclass(slots=True, eq=False)
class Op:
    """A node: its tensors by number, its attributes as Python values, and the blocks that it runs.

    `version` is that of its domain's operator set; `domain` is "" for ONNX' own.
    """

    type: str
    domain: str
    version: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    attributes: Mapping[str, Any]
    bodies: Mapping[str, "Block"]
    node: NodeProto

    def input(self, index: int) -> int:
        """The number of an input; MISSING where it has none."""
        return self.inputs[index] if index < len(self.inputs) else MISSING

    @property
    def first_output(self) -> int:
        """Its first output that is used."""
        for output in self.outputs:
            if output != MISSING:
                return output
        return MISSING

    @property
    def label(self) -> str:
        """It as messages name it."""
        return f"{self.type} {shorten(self.name)!r}" if self.name else self.type

    def has(self, *names: str) -> bool:
        """Whether it is an operator of ONNX' own domain with one of these names."""
        return not self.domain and self.type in names


@dataclass(slots=True, eq=False)
class Block:
    """A graph: its inputs and outputs by number, and its operators in an order in which they can run."""

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    ops: list[Op] = field(default_factory=list)

    def everywhere(self) -> Iterator[Op]:
        """Its operators, and those of the blocks in them."""
        for op in self.ops:
            yield op
            for body in op.bodies.values():
                yield from body.everywhere()


@dataclass(slots=True, eq=False)
class Network:
    """A model: the names of its tensors by number, its constants, and the types that the file states."""

    block: Block
    names: list[str]
    constants: dict[int, TensorProto]
    types: dict[int, TypeProto]
    opsets: Mapping[str, int]
    ir_version: int


def network_of(model: ModelProto) -> Network:
    """Number the tensors of `model`, and put its nodes in an order in which they can run.

    Raises:
        ModelRefusedError: there is a cycle, a tensor has two producers, or one has none.
    """
    builder = _Builder({_STANDARD.get(o.domain, o.domain): o.version for o in model.opset_import})
    block = builder.block(model.graph, [{}])
    return Network(
        block, builder.names, builder.constants, builder.types, builder.opsets, max(model.ir_version, 3)
    )


class _Builder:
    def __init__(self, opsets: Mapping[str, int]) -> None:
        self.opsets = opsets
        self.names: list[str] = []
        self.constants: dict[int, TensorProto] = {}
        self.types: dict[int, TypeProto] = {}

    def _new(self, name: str, scope: dict[str, int]) -> int:
        self.names.append(name)
        scope[name] = len(self.names) - 1
        return scope[name]

    def block(self, graph: GraphProto, scopes: list[dict[str, int]]) -> Block:
        """The block of `graph`; `scopes` have the numbers of names, the innermost last."""
        scope = scopes[-1]
        for tensor in graph.initializer:
            self.constants[self._new(tensor.name, scope)] = tensor
        for sparse in graph.sparse_initializer:
            self.constants[self._new(sparse.values.name, scope)] = _dense(sparse)
        inputs = []
        for value in graph.input:
            if value.name not in scope:  # in files of IR 3 constants are inputs too
                inputs.append(self._new(value.name, scope))
                self.types[inputs[-1]] = value.type
        nodes = in_order(list(graph.node), set(scope))
        block = Block(tuple(inputs), ())
        for node in nodes:
            if (constant := constant_of(node)) is not None:
                self.constants[self._new(node.output[0], scope)] = constant
            else:
                block.ops.append(self._op(node, scopes))
        for value in (*graph.value_info, *graph.output):
            if value.name in scope:
                self.types.setdefault(scope[value.name], value.type)
        block.outputs = tuple(_find(value.name, scopes) for value in graph.output)
        return block

    def _op(self, node: NodeProto, scopes: list[dict[str, int]]) -> Op:
        domain = _STANDARD.get(node.domain, node.domain)
        inputs = tuple(_find(name, scopes) if name else MISSING for name in node.input)
        graphs = {a.name: a.g for a in node.attribute if a.HasField("g")}
        names = sorted(graphs, reverse=True)  # then_branch before else_branch
        bodies = {name: self.block(graphs[name], [*scopes, {}]) for name in names}
        outputs = tuple(self._new(name, scopes[-1]) if name else MISSING for name in node.output)
        version = self.opsets.get(domain, 1)
        attributes = {a.name: value_of(a) for a in node.attribute if a.name not in graphs}
        return Op(node.op_type, domain, version, node.name, inputs, outputs, attributes, bodies, node)


def _find(name: str, scopes: list[dict[str, int]]) -> int:
    for scope in reversed(scopes):
        if (number := scope.get(name)) is not None:
            return number
    raise ModelRefusedError(f"nothing computes the tensor {shorten(name)!r} that the graph reads")


_READERS: dict[int, Callable[[AttributeProto], Any]] = {
    AttributeProto.INT: lambda a: a.i,
    AttributeProto.INTS: lambda a: tuple(a.ints),
    AttributeProto.FLOAT: lambda a: a.f,
    AttributeProto.FLOATS: lambda a: tuple(a.floats),
    AttributeProto.STRING: lambda a: a.s.decode(errors="replace"),
    AttributeProto.STRINGS: lambda a: tuple(text.decode(errors="replace") for text in a.strings),
    AttributeProto.TENSOR: lambda a: a.t,
}


def value_of(attribute: AttributeProto) -> Any:
    """An attribute as a number, text, a tensor, or a tuple of one of these; None for other kinds."""
    reader = _READERS.get(attribute.type)
    return reader(attribute) if reader else None


def constant_of(node: NodeProto) -> TensorProto | None:
    """The value of a Constant node; None for other nodes."""
    if node.op_type != "Constant" or node.domain not in _STANDARD:
        return None
    attribute = next((a for a in node.attribute if a.name in _CONSTANTS), None)
    if attribute is None:
        strings = next((a for a in node.attribute if a.name in {"value_string", "value_strings"}), None)
        dims = [] if strings is None or strings.name == "value_string" else [len(strings.strings)]
        return TensorProto(data_type=TensorProto.STRING, dims=dims)
    if attribute.name == "value":
        return attribute.t
    if attribute.name == "sparse_value":
        return _dense(attribute.sparse_tensor)
    if attribute.name.startswith("value_int"):
        ints = attribute.ints or ([attribute.i] if attribute.name == "value_int" else [])
        dims = [] if attribute.name == "value_int" else [len(ints)]
        return TensorProto(data_type=TensorProto.INT64, dims=dims, int64_data=ints)
    floats = attribute.floats or ([attribute.f] if attribute.name == "value_float" else [])
    dims = [] if attribute.name == "value_float" else [len(floats)]
    return TensorProto(data_type=TensorProto.FLOAT, dims=dims, float_data=floats)


def _dense(sparse: Any) -> TensorProto:
    """A sparse tensor by its type and dims, without values."""
    return TensorProto(data_type=sparse.values.data_type, dims=sparse.dims)


def in_order(nodes: list[NodeProto], outside: set[str]) -> list[NodeProto]:
    """`nodes` as they stand where they can run in that order, else with each moved behind what it reads.

    Raises:
        ModelRefusedError: two nodes have the same output, or there is a cycle.
    """
    producer: dict[str, int] = {}
    for index, node in enumerate(nodes):
        for output in filter(None, node.output):
            if output in producer or output in outside:
                raise ModelRefusedError(f"two nodes have the output {shorten(output)!r}")
            producer[output] = index
    needs = [{producer[name] for name in _read(node) if name in producer} for node in nodes]
    if all(max(earlier, default=-1) < index for index, earlier in enumerate(needs)):
        return nodes
    followers: dict[int, list[int]] = {}
    for index, earlier in enumerate(needs):
        for before in earlier:
            followers.setdefault(before, []).append(index)
    waiting = [len(earlier) for earlier in needs]
    ready = [index for index, number in enumerate(waiting) if not number]
    order = []
    while ready:
        order.append(heappop(ready))
        for index in followers.get(order[-1], ()):
            waiting[index] -= 1
            if not waiting[index]:
                heappush(ready, index)
    if len(order) < len(nodes):
        through = next(node for index, node in enumerate(nodes) if waiting[index])
        raise ModelRefusedError(f"the graph has a cycle through {(through.name or through.op_type)!r}")
    return [nodes[index] for index in order]


def _read(node: NodeProto) -> Iterator[str]:
    """The tensors that a node reads, those that its bodies capture included."""
    yield from filter(None, node.input)
    for attribute in node.attribute:
        if attribute.HasField("g"):
            own = {value.name for value in (*attribute.g.input, *attribute.g.initializer)}
            own.update(name for inner in attribute.g.node for name in inner.output)
            names = [value.name for value in attribute.g.output]
            for inner in attribute.g.node:
                names += _read(inner)
            yield from (name for name in names if name not in own)
