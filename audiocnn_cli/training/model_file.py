"""Model files: weights in 32, 16 or 8 bits, and the contract in the metadata."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from audiocnn_cli.files import atomic_writer
from audiocnn_cli.models.contract import METADATA_KEY, ModelContract, encode

# Smaller weights stay float32.
_FEWEST_WEIGHTS = 1024


def store_weights(proto: Any, *, bits: int) -> None:
    """Store large weights in 16 or 8 bits, converted to float32 when the graph is loaded; 32: unchanged.

    16 bits (half precision; weights beyond its range stay float32) change probabilities by about 1e-4, 8 bits
    (with a scale for each output channel) by about 1e-2. Both use operators that ONNX Runtime folds into
    constants when it opens the file; it would run a `DequantizeLinear` for each input.
    """
    if bits == 32:
        return
    nodes, scales = [], []
    store = _as_half if bits == 16 else _as_bytes
    for tensor in proto.graph.initializer:
        weights = numpy_helper.to_array(tensor)
        if weights.dtype != np.float32 or weights.size < _FEWEST_WEIGHTS:
            continue
        if bits == 16 and np.abs(weights).max() > np.finfo(np.float16).max:
            continue
        restored_by, stored, *scale = store(tensor.name, weights)
        tensor.CopyFrom(stored)
        nodes += restored_by
        scales += scale
    nodes += proto.graph.node
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    proto.graph.initializer.extend(scales)


def _as_half(name: str, weights: NDArray[np.float32]) -> tuple[Any, ...]:
    stored = numpy_helper.from_array(weights.astype(np.float16), f"{name}.half")
    return [helper.make_node("Cast", [stored.name], [name], to=TensorProto.FLOAT)], stored


def _as_bytes(name: str, weights: NDArray[np.float32]) -> tuple[Any, ...]:
    rows = np.abs(weights.reshape(len(weights), -1)).max(axis=1)
    steps = np.maximum(rows / 127, np.finfo(np.float32).tiny).astype(np.float32)
    shaped = steps.reshape(-1, *[1] * (weights.ndim - 1))
    stored = numpy_helper.from_array(np.rint(weights / shaped).astype(np.int8), f"{name}.bytes")
    scale = numpy_helper.from_array(shaped, f"{name}.steps")
    in_steps = f"{name}.in_steps"
    restored_by = [
        helper.make_node("Cast", [stored.name], [in_steps], to=TensorProto.FLOAT),
        helper.make_node("Mul", [in_steps, scale.name], [name]),
    ]
    return restored_by, stored, scale


def write_model(proto: Any, contract: ModelContract, path: Path, *, force: bool) -> None:
    """Write the graph with `contract` in its metadata, atomically.

    Raises:
        OutputError: the file can't be written, or exists and `force` is off.
    """
    helper.set_model_props(proto, {METADATA_KEY: encode(contract)})
    onnx.checker.check_model(proto)
    with atomic_writer(path, "wb", force=force) as stream:
        stream.write(proto.SerializeToString(deterministic=True))
