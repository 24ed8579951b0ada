"""The sizes of every tensor of a network, from its inputs to its outputs, through bodies of control flow.

Rules of our own carry free sizes through the operators that networks are made of; all others are left to
ONNX' shape inference, one node at a time. What neither gives is a free size.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from onnx import TensorProto, defs, helper, numpy_helper, shape_inference

from audiocnn_cli.shapes.onnxfile.fold import fold
from audiocnn_cli.shapes.onnxfile.free import Dim, Dims, unnamed
from audiocnn_cli.shapes.onnxfile.network import MISSING, Block, Network, Op
from audiocnn_cli.shapes.onnxfile.rules import arranging, creating, products, selecting, windows  # noqa: F401 (they register)
from audiocnn_cli.shapes.onnxfile.rules.call import RULES, Call, EmptyWindowError, InconsistentError
from audiocnn_cli.shapes.onnxfile.values import Labels, Value, constant_value, declared

_SHAPES = frozenset({"Shape", "Size"})
_RANDOM = frozenset(
    {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli", "Multinomial"}
)
_LARGEST = 10**15
_ROUNDS = 3  # of a loop whose state changes its size
_NESTED = 2  # loops in which sizes of states are followed


_MALFORMED = (ValueError, IndexError, TypeError, KeyError, AttributeError, ArithmeticError)


class GraphError(Exception):
    """An operator can't be applied: `reason`, and for a window that does not fit the spatial `axis`."""

    def __init__(self, op: Op, error: InconsistentError | EmptyWindowError) -> None:
        super().__init__(f"{op.label}: {error}")
        self.op, self.reason = op, str(error)
        self.axis = error.axis if isinstance(error, EmptyWindowError) else None


@dataclass(eq=False)
class Inferred:
    """What is known of every tensor by number, and which are `constant`: computed without the inputs.

    `trips` has the number of runs of each loop's body, `taken` the body of an If whose condition is constant.
    """

    network: Network
    values: list[Value]
    constant: list[bool]
    trips: dict[Op, Dim | None] = field(default_factory=dict)
    taken: dict[Op, str] = field(default_factory=dict)

    def dims(self, number: int) -> Dims | None:
        """The sizes of a tensor; None where they are unknown or it is left out."""
        return None if number == MISSING else self.values[number].dims

    def call(self, op: Op) -> Call:
        """`op` with the values of its inputs."""
        return Call(op, [None if number == MISSING else self.values[number] for number in op.inputs])


def stated(network: Network, given: Mapping[int, Dims] | None = None) -> Inferred:
    """What the file states of inputs and constants; `given` are sizes of inputs in place of the file's."""
    number = len(network.names)
    inferred = Inferred(network, [Value() for _ in range(number)], [False] * number)
    for constant, tensor in network.constants.items():
        inferred.values[constant] = constant_value(tensor)
        inferred.constant[constant] = True
    for name in network.block.inputs:
        inferred.values[name] = declared(network.types[name])
        if given and name in given:
            inferred.values[name].dims = given[name]
    return inferred


def infer(inferred: Inferred) -> Inferred:
    """Infer all sizes from those of the inputs, in place.

    Raises:
        GraphError: an operator can't be applied to its inputs; what is before it is inferred.
    """
    _Walk(inferred).block(inferred.network.block, strict=True)
    return inferred


class _Walk:
    def __init__(self, inferred: Inferred) -> None:
        self.inferred = inferred
        self.labels = Labels()
        self.loops = 0

    def block(self, block: Block, *, strict: bool) -> None:
        """Infer the sizes in `block`; unless it is `strict`, an operator that can't be applied has none."""
        for op in block.ops:
            try:
                outputs = self._outputs(op)
            except (InconsistentError, EmptyWindowError) as error:
                if strict:
                    raise GraphError(op, error) from error
                outputs = []
            except _MALFORMED:  # attributes or inputs that no operator of this name has
                outputs = []
            constant = self._is_constant(op)
            for index, number in enumerate(op.outputs):
                if number != MISSING:
                    found = outputs[index] if index < len(outputs) else Value()
                    self.inferred.values[number] = self._completed(number, found)
                    self.inferred.constant[number] = constant

    def _is_constant(self, op: Op) -> bool:
        if op.type in _SHAPES:
            return True
        if op.type in _RANDOM or op.bodies:
            return False
        return all(self.inferred.constant[number] for number in op.inputs if number != MISSING)

    def _completed(self, number: int, value: Value) -> Value:
        """`value`, with the number of axes and the type that the file states where nothing else is known."""
        type_ = self.inferred.network.types.get(number)
        if type_ is None or (value.dims is not None and value.type) or value.other is not None:
            return value
        stated = declared(type_)
        if value.dims is None:
            value.dims = None if stated.dims is None else self._stated(stated.dims)
        value.type = value.type or stated.type
        value.other = stated.other
        return value

    def _stated(self, dims: Dims) -> Dims:
        """Sizes from the file: a name there need not be the size of an input of that name."""
        return tuple(size if isinstance(size, int) else unnamed() for size in dims)

    def _outputs(self, op: Op) -> list[Value]:
        call = self.inferred.call(op)
        if op.bodies:
            return self._control(op, call)
        function = RULES.get((op.domain, op.type))
        outputs = function(call) if function else None
        if outputs is None:
            outputs = self._by_onnx(op, call)
        for dims in (output.dims for output in outputs if output.dims):
            if any(isinstance(size, int) and not 0 <= size <= _LARGEST for size in dims):
                raise InconsistentError("a size of its output is below 0 or beyond 10^15")
        fold(call, outputs)
        return outputs

    def _by_onnx(self, op: Op, call: Call) -> list[Value]:
        """The outputs by ONNX' own inference for this node alone; [] where it has none, or fails."""
        try:
            schema = defs.get_schema(op.type, op.version, op.domain)
        except defs.SchemaError:
            return []
        types, data = {}, {}
        for name, value in zip(op.node.input, call.values, strict=True):
            if value is not None and (value.type or value.other is not None):
                types[name] = self.labels.type_of(value)
                if value.ints is not None and value.type in {TensorProto.INT64, TensorProto.INT32}:
                    kind = np.int64 if value.type == TensorProto.INT64 else np.int32
                    data[name] = numpy_helper.from_array(np.array(value.data.tolist(), kind), name)  # type: ignore[union-attr]
                elif value.data is not None and value.data.dtype.kind == "f":
                    data[name] = numpy_helper.from_array(value.data, name)
        opsets = [helper.make_opsetid(*each) for each in self.inferred.network.opsets.items()]
        version = self.inferred.network.ir_version
        try:
            found = shape_inference.infer_node_outputs(
                schema, op.node, types, data, opset_imports=opsets, ir_version=version
            )
        except Exception:  # the native library raises its own types; an input may have no type
            return []
        return [self.labels.value_of(found[name]) if name in found else Value() for name in op.node.output]

    def _control(self, op: Op, call: Call) -> list[Value]:
        if op.has("If"):
            return self._if(op, call)
        if op.has("Loop"):
            return self._loop(op, call)
        if op.has("Scan"):
            return self._scan(op, call)
        for body in op.bodies.values():
            self.block(body, strict=False)
        return self._by_onnx(op, call)

    def _if(self, op: Op, call: Call) -> list[Value]:
        chosen = call.value(0).elements
        if chosen and isinstance(chosen[0], bool | int):
            self.inferred.taken[op] = "then_branch" if chosen[0] else "else_branch"
        for body in op.bodies.values():
            self.block(body, strict=False)
        taken = (
            [op.bodies[self.inferred.taken[op]]] if op in self.inferred.taken else list(op.bodies.values())
        )
        outputs = [[self.inferred.values[number] for number in body.outputs] for body in taken]
        return [_either(list(each)) for each in zip(*outputs, strict=False)]

    def _loop(self, op: Op, call: Call) -> list[Value]:
        body = op.bodies["body"]
        states = [value or Value() for value in call.values[2:]]
        if len(body.inputs) != 2 + len(states) or len(body.outputs) < 1 + len(states):
            raise InconsistentError(f"its body has other inputs and outputs than its {len(states)} states")
        self.loops += 1
        general = self._repeated(body, states)
        self.loops -= 1
        most = call.value(0).sizes if call.has(0) else None
        goes_on = self.inferred.values[body.outputs[0]].elements
        always = goes_on == [True] or body.outputs[0] == body.inputs[1]
        started = not call.has(1) or call.value(1).elements == [True]
        trips = most[0] if most and always and started else None
        self.inferred.trips[op] = trips
        scanned = [self.inferred.values[number] for number in body.outputs[1 + len(states) :]]
        size = unnamed() if trips is None else trips
        return [*general, *(_stacked(value, size, 0) for value in scanned)]

    def _repeated(self, body: Block, states: list[Value]) -> list[Value]:
        """What holds of the states before and after each run of a loop's body."""
        # A body runs only where its condition holds.
        counter = [Value((), TensorProto.INT64), Value((), TensorProto.BOOL, np.array(True))]
        rounds = _ROUNDS if self.loops <= _NESTED else 0
        for last in range(rounds, -1, -1):
            # A size that changes from run to run has none; in the end not even the number of axes is known.
            states = [Value(state.dims if last else None, state.type, None, state.other) for state in states]
            for number, value in zip(body.inputs, [*counter, *states], strict=True):
                self.inferred.values[number] = value
            self.block(body, strict=False)
            after = [self.inferred.values[number] for number in body.outputs[1 : 1 + len(states)]]
            general = [_either([a, b]) for a, b in zip(states, after, strict=True)]
            if all(a.dims == b.dims for a, b in zip(states, general, strict=True)):
                break
            states = general
        return states

    def _scan(self, op: Op, call: Call) -> list[Value]:
        body = op.bodies["body"]
        number = op.attributes.get("num_scan_inputs", len(body.inputs))
        values = [value or Value() for value in call.values]
        if op.version < 9:
            self.block(body, strict=False)
            return self._by_onnx(op, call)
        states, scanned = values[: len(values) - number], values[len(values) - number :]
        axes = op.attributes.get("scan_input_axes") or (0,) * number
        trips: Dim | None = None
        inputs = [Value(s.dims, s.type, None, s.other) for s in states]
        for value, axis in zip(scanned, axes, strict=True):
            dims = value.dims
            if dims:
                at = axis % len(dims)
                trips = dims[at] if trips is None or isinstance(dims[at], int) else trips
                dims = (*dims[:at], *dims[at + 1 :])
            inputs.append(Value(dims, value.type))
        for name, value in zip(body.inputs, inputs, strict=False):
            self.inferred.values[name] = value
        self.block(body, strict=False)
        self.inferred.trips[op] = trips
        after = [self.inferred.values[name] for name in body.outputs]
        axes = op.attributes.get("scan_output_axes") or (0,) * (len(after) - len(states))
        size = unnamed() if trips is None else trips
        stacked = [
            _stacked(value, size, axis) for value, axis in zip(after[len(states) :], axes, strict=False)
        ]
        return [*(_either([a, b]) for a, b in zip(inputs, after[: len(states)], strict=False)), *stacked]


def _stacked(value: Value, size: Dim, axis: int) -> Value:
    """The results of `size` runs, joined on a new axis."""
    if value.dims is None:
        return Value(None, value.type)
    at = axis % (len(value.dims) + 1)
    return Value((*value.dims[:at], size, *value.dims[at:]), value.type)


def _either(values: list[Value]) -> Value:
    """What holds of each of `values`."""
    first = values[0]
    if any(value.other is not None for value in values):
        return Value(other=first.other)
    dims = first.dims
    for value in values[1:]:
        if dims is None or value.dims is None or len(dims) != len(value.dims):
            dims = None
        else:
            dims = tuple(a if a == b else unnamed() for a, b in zip(dims, value.dims, strict=True))
    same = len(values) == 1
    return Value(dims, first.type, first.data if same else None)
