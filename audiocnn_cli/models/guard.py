"""A model file from somewhere is looked at before ONNX Runtime runs it."""

from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from audiocnn_cli.errors import ModelRefusedError

if TYPE_CHECKING:
    from onnx import ModelProto

# 2 GiB of float32 for one tensor of one segment: no network on audio comes near, a slip or a trap does.
_LARGEST_TENSOR = 1 << 29


def require_harmless(path: Path) -> "ModelProto":
    """The graph at `path` without its weights, with inferred shapes, if nothing in it is out of proportion.

    Raises:
        ModelRefusedError: it is missing, is no ONNX model, or has tensors of more than 2 GiB, also such as it
            makes only when it runs.
    """
    from audiocnn_cli.shapes.onnxfile.load import infer, load_graph

    if not path.is_file():
        raise ModelRefusedError(f"{path}: no such model file")
    try:
        model, _ = infer(load_graph(path))
    except ModelRefusedError as error:
        raise ModelRefusedError(f"{path}: {error}") from error
    for value in (*model.graph.value_info, *model.graph.output, *model.graph.input):
        dims = [dim.dim_value or 1 for dim in value.type.tensor_type.shape.dim]
        if prod(dims) > _LARGEST_TENSOR:
            raise ModelRefusedError(
                f"{path}: its tensor {value.name!r} has {prod(dims):,} numbers, and at most"
                f" {_LARGEST_TENSOR:,} are run"
            )
    return model
