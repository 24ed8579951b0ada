"""The report of an ONNX file."""

from pathlib import Path
from typing import TYPE_CHECKING

from audiocnn_cli.errors import ModelRefusedError, UsageError
from audiocnn_cli.shapes.choose import StackRequest, like_named, wanted_input
from audiocnn_cli.shapes.clip import Clip
from audiocnn_cli.shapes.collapse import Collapse
from audiocnn_cli.shapes.fixes import Mend
from audiocnn_cli.shapes.framework import Framework
from audiocnn_cli.shapes.like import Like
from audiocnn_cli.shapes.onnxfile.fold import fold_constants
from audiocnn_cli.shapes.onnxfile.graph import index, set_input
from audiocnn_cli.shapes.onnxfile.load import infer, load_graph
from audiocnn_cli.shapes.onnxfile.read import CeilMismatchError, Read, read_graph
from audiocnn_cli.shapes.report import Report
from audiocnn_cli.shapes.sizes import Sizes, shorten, show_shape, smallest, type_sizes
from audiocnn_cli.shapes.step import Layer, ShapeError
from audiocnn_cli.shapes.trace import Trace

if TYPE_CHECKING:
    from onnx import ModelProto

_LONGEST_INPUT = 1 << 24


def report_of_file(wish: StackRequest) -> Report:
    """The layers of the ONNX file that is wished for, with its free sizes fixed where an input is given.

    Raises:
        UsageError: no such file, or an input or an option that does not fit it.
        ModelRefusedError: the file holds no usable model.
    """
    if wish.sources != ("layers",):
        raise UsageError(
            "an ONNX file holds its layers; leave out --arch, --file, --kernel and --pool"
        )
    if wish.framework not in {None, Framework.ONNX}:
        raise UsageError(f"--framework {wish.framework}: an ONNX file goes by ONNX' rules")
    path = Path(wish.layers[0])
    like = like_named(wish.like) if wish.like else Like.SPECTROGRAM
    wanted = wanted_input(wish)
    try:
        return _read_file(path, wanted, like, wish.clip)
    except ModelRefusedError as error:
        raise ModelRefusedError(f"{path}: {error}") from error


def read_file(path: Path, fed: Sizes) -> Read:
    """The layers of the ONNX file at `path` for an input of the shape `fed`, as the file has it, batch first.

    Raises:
        UsageError: there is no such file.
        ModelRefusedError: the file holds no usable model, or takes an input of another shape.
        ShapeError: a layer does not fit its input.
    """
    try:
        model = load_graph(path)
        fold_constants(model)
        _feed(model, fed)
        return _read_graph(model, path, None)
    except ModelRefusedError as error:
        raise ModelRefusedError(f"{path}: {error}") from error


def _feed(model: "ModelProto", fed: Sizes) -> None:
    """Fix every size of the first input."""
    graph = index(model)
    (name,) = graph.inputs[:1] or ("",)
    shape = graph.shapes.get(name)
    sizes = zip(shape or (), fed, strict=False)
    if (
        shape is None
        or len(shape) != len(fed)
        or any(isinstance(s, int) and s != f for s, f in sizes)
    ):
        raise ModelRefusedError(
            f"takes {show_shape(shape or ())} as its input, not {show_shape(fed)}"
        )
    value = next(value for value in model.graph.input if value.name == name)
    for dim, size in zip(value.type.tensor_type.shape.dim, fed, strict=True):
        dim.dim_value = size


def _read_file(path: Path, wanted: Sizes | None, like: Like, clip: Clip | None) -> Report:
    """The report of a graph, also of one that collapses on the input wanted."""
    model = load_graph(path)
    fold_constants(model)
    try:
        return _report(model, path, wanted, like, clip)
    except ShapeError as error:
        before = Trace(wanted or (), error.steps, Framework.ONNX, path.name)
        found = _longer(error, model, path, wanted, like) if wanted else ()
        collapse = Collapse(error, before, found, like)
        return Report(before, like, collapse=collapse, clip=clip)


def _report(
    model: "ModelProto", path: Path, wanted: Sizes | None, like: Like, clip: Clip | None
) -> Report:
    read = _read_graph(model, path, wanted)
    return Report(
        read.trace,
        like,
        clip=clip,
        uncounted=read.uncounted,
        uncounted_params=read.uncounted_params,
    )


def _read_graph(model: "ModelProto", path: Path, wanted: Sizes | None) -> Read:
    """What the graph holds, with its free sizes fixed to `wanted`."""
    model = _copy(model)  # an input is fixed in place
    graph = index(model)
    if not graph.inputs:
        raise ModelRefusedError("the graph has no input")
    if wanted:
        set_input(model, graph, wanted)
    return _settle(model, path)


def _copy(model: "ModelProto") -> "ModelProto":
    copy = type(model)()
    copy.CopyFrom(model)
    return copy


def _settle(model: "ModelProto", path: Path) -> Read:
    """Read the graph, once more for each pooling whose inferred size is not the one it will have.

    Raises:
        ShapeError: a layer does not fit.
        ModelRefusedError: the graph contradicts itself.
    """
    overrides: dict[str, Layer] = {}
    while True:
        inferred, complaint = infer(model)
        try:
            read = read_graph(index(inferred, overrides), path.name)
        except CeilMismatchError as mismatch:
            overrides[mismatch.output] = mismatch.layer
            _without_ceil(model, mismatch)
            continue
        if complaint:
            reason = shorten(complaint, limit=160)
            raise ModelRefusedError(f"the graph contradicts itself: {reason}")
        return read


def _without_ceil(model: "ModelProto", mismatch: CeilMismatchError) -> None:
    """Rewrite a pooling so that plain inference gives the size it has when it runs."""
    from onnx import helper

    node = next(node for node in model.graph.node if mismatch.output in node.output)
    kept = [a for a in node.attribute if a.name not in {"ceil_mode", "pads", "auto_pad"}]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute("pads", mismatch.pads)])


def _longer(
    error: ShapeError, model: "ModelProto", path: Path, wanted: Sizes, like: Like
) -> tuple[Mend, ...]:
    """The shortest longer input that gets through, where the failing axis is still one of the input's."""
    axis = error.axis
    if axis is None or axis >= len(wanted):
        return ()

    def longer(size: int) -> Sizes:
        return (*wanted[:axis], size, *wanted[axis + 1 :])

    def runs(size: int) -> bool:
        try:
            _report(model, path, longer(size), like, None)
        except (ShapeError, UsageError, ModelRefusedError):
            return False
        return True

    high = wanted[axis] * 2
    while not runs(high):
        high *= 2
        if high > _LONGEST_INPUT:
            return ()
    size = smallest(wanted[axis], high, runs)
    shape = longer(size)
    text = f"--input {type_sizes(shape)} ({size} on the {like.axis_name(axis)} axis)"
    return (Mend(text, (), shape, words=(str(path),)),)
