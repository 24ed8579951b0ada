"""The report of an ONNX file."""

from pathlib import Path

from onnx import ModelProto, helper

from audiocnn_cli.errors import ModelRefusedError, UsageError
from audiocnn_cli.shapes.choices import Framework, Like
from audiocnn_cli.shapes.clip import Clip
from audiocnn_cli.shapes.fixes import longer_input, smallest_input
from audiocnn_cli.shapes.onnxfile.graph import index, set_input
from audiocnn_cli.shapes.onnxfile.load import fold_constants, infer, load_graph
from audiocnn_cli.shapes.onnxfile.read import CeilMismatchError, Read, read_graph
from audiocnn_cli.shapes.report import Collapse, Fix, Report
from audiocnn_cli.shapes.sizes import Sizes, naming, shorten, show_shape
from audiocnn_cli.shapes.step import Layer, ShapeError
from audiocnn_cli.shapes.trace import Trace

_LONGEST_INPUT = 1 << 24


def report_of_file(path: Path, *, input_shape: Sizes | None, like: Like, clip: Clip | None) -> Report:
    """The report of the ONNX file at `path`, with its free sizes set by `input_shape` where it is given.

    `input_shape` is channels last and without the batch. A collapse is part of the report.

    Raises:
        UsageError: there is no such file, or the model has another input shape.
        ModelRefusedError: the file is not a valid model.
    """
    with naming(path, ModelRefusedError):
        model = load_graph(path)
        fold_constants(model)
        try:
            read = _read_graph(model, path, input_shape)
        except ShapeError as error:
            before = Trace(input_shape or (), error.steps, Framework.ONNX, path.name)
            fixes = _longer(error, model, path, input_shape, like) if input_shape else ()
            return Report(before, like, collapse=Collapse(error, before, fixes, like), clip=clip)
    return Report(
        read.trace, like, clip=clip, uncounted=read.uncounted, uncounted_params=read.uncounted_params
    )


def read_file(path: Path, input_shape: Sizes) -> Read:
    """The layers of the ONNX file at `path` for an input of `input_shape`, in the file's order, batch first.

    Raises:
        UsageError: there is no such file.
        ModelRefusedError: the file is not a valid model, or has another input shape.
        ShapeError: a layer does not fit its input.
    """
    with naming(path, ModelRefusedError):
        model = load_graph(path)
        fold_constants(model)
        _fix_input(model, input_shape)
        return _read_graph(model, path, None)


def _fix_input(model: ModelProto, given: Sizes) -> None:
    """Set every size of the first input, batch first."""
    graph = index(model)
    name = graph.inputs[0] if graph.inputs else ""
    shape = graph.shapes.get(name, ())
    sizes = zip(shape, given, strict=False)
    if len(shape) != len(given) or any(isinstance(have, int) and have != size for have, size in sizes):
        raise ModelRefusedError(f"its input is {show_shape(shape)}, not {show_shape(given)}")
    value = next(value for value in model.graph.input if value.name == name)
    for dim, size in zip(value.type.tensor_type.shape.dim, given, strict=True):
        dim.dim_value = size


def _read_graph(model: ModelProto, path: Path, input_shape: Sizes | None) -> Read:
    """Read the graph, with its free sizes set to `input_shape`."""
    copy = ModelProto()  # the input is changed in place
    copy.CopyFrom(model)
    graph = index(copy)
    if not graph.inputs:
        raise ModelRefusedError("the graph has no input")
    if input_shape:
        set_input(copy, graph, input_shape)
    overrides: dict[str, Layer] = {}
    while True:  # once more for each pooling whose inferred size differs from that at run time
        inferred, message = infer(copy)
        try:
            read = read_graph(index(inferred, overrides), path.name)
        except CeilMismatchError as mismatch:
            overrides[mismatch.output] = mismatch.layer
            _without_ceil(copy, mismatch)
            continue
        if message:
            raise ModelRefusedError(f"the graph is inconsistent: {shorten(message, limit=160)}")
        return read


def _without_ceil(model: ModelProto, mismatch: CeilMismatchError) -> None:
    """Rewrite a pooling so that its inferred size is that at run time."""
    node = next(node for node in model.graph.node if mismatch.output in node.output)
    kept = [a for a in node.attribute if a.name not in {"ceil_mode", "pads", "auto_pad"}]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute("pads", mismatch.pads)])


def _longer(error: ShapeError, model: ModelProto, path: Path, shape: Sizes, like: Like) -> tuple[Fix, ...]:
    """The smallest longer input that runs, where the axis at which it fails is one of the input's."""
    axis = error.axis
    if axis is None or axis >= len(shape):
        return ()

    def runs(longer: Sizes) -> bool:
        try:
            _read_graph(model, path, longer)
        except (ShapeError, UsageError, ModelRefusedError):
            return False
        return True

    size = smallest_input(shape, axis, runs, limit=_LONGEST_INPUT)
    return (longer_input(Fix("", (), shape, (str(path),)), axis, size, like),) if size else ()
