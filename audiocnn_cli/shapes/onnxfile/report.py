"""The report of an ONNX file."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from audiocnn_cli.errors import ModelRefusedError, UsageError
from audiocnn_cli.shapes.choices import Framework, Like
from audiocnn_cli.shapes.clip import Clip
from audiocnn_cli.shapes.fixes import longer_input, smallest_input
from audiocnn_cli.shapes.onnxfile.batch import Batch, find_batch
from audiocnn_cli.shapes.onnxfile.free import Dims, Free, shown
from audiocnn_cli.shapes.onnxfile.given import GivenSizes, given_dims, read_given
from audiocnn_cli.shapes.onnxfile.infer import GraphError, Inferred, infer, stated
from audiocnn_cli.shapes.onnxfile.layers import View
from audiocnn_cli.shapes.onnxfile.layout import channels_first
from audiocnn_cli.shapes.onnxfile.load import File, load_file
from audiocnn_cli.shapes.onnxfile.memory import peak_bytes
from audiocnn_cli.shapes.onnxfile.network import Block, Network, Op, network_of
from audiocnn_cli.shapes.onnxfile.read import named_parts, read_network
from audiocnn_cli.shapes.onnxfile.steps import as_shape, shown_dims
from audiocnn_cli.shapes.onnxfile.values import declared
from audiocnn_cli.shapes.onnxfile.walk import Walk
from audiocnn_cli.shapes.onnxfile.weights import count_weights
from audiocnn_cli.shapes.report import Collapse, Fix, Report
from audiocnn_cli.shapes.sizes import Shape, Sizes, naming, shorten, show_shape
from audiocnn_cli.shapes.step import ShapeError
from audiocnn_cli.shapes.trace import End, GraphTotals, Trace

_LONGEST_INPUT = 1 << 24


@dataclass(frozen=True)
class Read:
    """The trace of a graph, and its operators that are no layers with their counts.

    `parts` has the number of the step that a node is, or is a part of, by the name of the node's first
    output and in execution order, so that the last one of a step has the step's output. `channels_first`
    are the tensors whose channels are axis 1 in the file, and last in the trace.
    """

    trace: Trace
    uncounted: tuple[tuple[str, int], ...]
    uncounted_params: int
    parts: Mapping[str, int]
    channels_first: frozenset[str]


def report_of_file(path: Path, *, input_shape: Sequence[str], like: Like, clip: Clip | None) -> Report:
    """The report of the ONNX file at `path`, with its free sizes set by `input_shape` where it is given.

    `input_shape` has texts as `read_given` takes them. A collapse is part of the report.

    Raises:
        UsageError: there is no such file, or the model has another input shape.
        ModelRefusedError: the file is not a valid model.
    """
    with naming(path, ModelRefusedError):
        return report_of(load_file(path), str(path), read_given(input_shape), like=like, clip=clip)


def report_of(
    file: File, title: str, given: GivenSizes, *, like: Like = Like.SPECTROGRAM, clip: Clip | None = None
) -> Report:
    """The report of a loaded file.

    Raises:
        UsageError: the model has another input shape.
        ModelRefusedError: the graph is inconsistent.
    """
    network = network_of(file.model)
    name = Path(title).name
    with _refusing():
        try:
            read = _read(network, file, name, given)
        except ShapeError as error:
            shape = given.shapes[0] if given.shapes else ()
            before = Trace(shape or _declared_input(network), error.steps, Framework.ONNX, name)
            fixes = _longer(error, network, file, title, shape, like) if shape else ()
            return Report(before, like, collapse=Collapse(error, before, fixes, like), clip=clip)
    return Report(
        read.trace, like, clip=clip, uncounted=read.uncounted, uncounted_params=read.uncounted_params
    )


def read_file(path: Path, input_shape: Sizes) -> Read:
    """The layers of the ONNX file at `path` for a first input of `input_shape`, in the file's order.

    Raises:
        UsageError: there is no such file.
        ModelRefusedError: the file is not a valid model, or has another input shape.
        ShapeError: a layer does not fit its input.
    """
    with naming(path, ModelRefusedError):
        file = load_file(path)
        network = network_of(file.model)
        number = network.block.inputs[0] if network.block.inputs else -1
        dims = declared(network.types[number]).dims or () if number >= 0 else ()
        fits = all(
            isinstance(have, Free) or have == size for have, size in zip(dims, input_shape, strict=False)
        )
        if len(dims) != len(input_shape) or not fits:
            raise ModelRefusedError(f"its input is {show_shape(shown(dims))}, not {show_shape(input_shape)}")
        with _refusing():
            read = _read_given(network, file, path.name, {number: input_shape})
        known = set(read.parts.values())  # without the rows in bodies of control flow
        steps = tuple(step for step in read.trace.steps if step.number in known)
        return replace(read, trace=replace(read.trace, steps=steps))


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except GraphError as error:
        raise ModelRefusedError(f"the graph is inconsistent: {shorten(str(error), limit=160)}") from error


def _read(network: Network, file: File, title: str, given: GivenSizes) -> Read:
    if not given:
        return _read_given(network, file, title, {})
    try:
        inferred = infer(stated(network))
        batch, first = find_batch(inferred), channels_first(inferred)
    except GraphError:  # with its own sizes it does not run; those that are given may
        inferred, batch, first = stated(network), Batch(), frozenset()
    return _read_given(network, file, title, given_dims(given, inferred, batch, first))


def _read_given(network: Network, file: File, title: str, given: Mapping[int, Dims]) -> Read:
    """Read the network with these sizes of its inputs.

    Raises:
        GraphError: an operator can't be applied.
        ShapeError: a window does not fit its input.
    """
    failed = None
    inferred = stated(network, given)
    try:
        infer(inferred)
    except GraphError as error:
        failed = error
    batch = find_batch(inferred)
    _complete(inferred)
    view = View(inferred, channels_first(inferred), _consumers(network.block))
    books = count_weights(inferred)
    walk = read_network(view, batch, books, failed)
    names = frozenset(network.names[number] for number in view.first)
    trace = Trace(_input(view, batch), tuple(walk.steps), Framework.ONNX, title, _totals(walk, file))
    left = books.trainable - sum(step.params for step in walk.steps)
    uncounted = tuple((name, count) for name, count in walk.uncounted.most_common() if count > 0)
    return Read(trace, uncounted, left, named_parts(walk), names)


def _consumers(block: Block) -> dict[int, list[Op]]:
    """The operators that read each tensor; twice the last one for an output of a block."""
    found: dict[int, list[Op]] = {}
    last: Op | None = None
    for op in block.ops:
        for number in op.inputs:
            found.setdefault(number, []).append(op)
        for body in op.bodies.values():
            made = {number for inner in body.ops for number in inner.outputs}
            for number, ops in _consumers(body).items():
                found.setdefault(number, []).extend(ops if number in made else [*ops, op])
        last = op
    for number in block.outputs:
        if last is not None:
            found.setdefault(number, []).extend([last, last])
    return found


def _input(view: View, batch: Batch) -> Shape:
    """The first input for one example, channels last."""
    inputs = view.inferred.network.block.inputs
    return (as_shape(shown_dims(inputs[0], view, batch)) if inputs else None) or ()


def _totals(walk: Walk, file: File) -> GraphTotals:
    inferred, books = walk.view.inferred, walk.books
    block = inferred.network.block
    output = shown_dims(block.outputs[0], walk.view, walk.batch) if block.outputs else None
    return GraphTotals(
        inputs=tuple(_end(inferred, number) for number in block.inputs),
        outputs=tuple(_end(inferred, number) for number in block.outputs),
        output=as_shape(output) or (),
        params=books.trainable,
        non_trainable_params=books.statistics,
        weight_bytes=file.weight_bytes,
        peak_bytes=peak_bytes(inferred, walk.batch),
    )


def _end(inferred: Inferred, number: int) -> End:
    return End(inferred.network.names[number], as_shape(inferred.dims(number)))


def _complete(inferred: Inferred) -> None:
    """Give sizes of the graph's outputs of which nothing is known those that the file states."""
    for number in inferred.network.block.outputs:
        value, type_ = inferred.values[number], inferred.network.types.get(number)
        dims = declared(type_).dims if type_ is not None else None
        if value.dims is not None and dims is not None and len(dims) == len(value.dims):
            pairs = zip(value.dims, dims, strict=True)
            value.dims = tuple(b if isinstance(a, Free) and a.is_unnamed else a for a, b in pairs)


def _declared_input(network: Network) -> Shape:
    inputs = network.block.inputs
    return shown((declared(network.types[inputs[0]]).dims or ())[1:]) if inputs else ()


def _longer(
    error: ShapeError, network: Network, file: File, title: str, shape: Sizes, like: Like
) -> tuple[Fix, ...]:
    """The smallest longer input that runs, where the axis at which it fails is one of the input's."""
    axis = error.axis
    if axis is None or axis >= len(shape):
        return ()

    def runs(longer: Sizes) -> bool:
        try:
            _read(network, file, title, GivenSizes((longer,)))
        except (ShapeError, UsageError, ModelRefusedError, GraphError):
            return False
        return True

    size = smallest_input(shape, axis, runs, limit=_LONGEST_INPUT)
    return (longer_input(Fix("", (), shape, (title,)), axis, size, like),) if size else ()
