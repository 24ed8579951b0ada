"""Export networks as an ONNX file with its contract in the metadata."""

import io
import logging
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from audiocnn_cli.files import atomic_writer
from audiocnn_cli.models.contract import (
    MEMBER_PROBABILITIES,
    METADATA_KEY,
    PROBABILITIES,
    ModelContract,
    encode,
)

# Smaller weights stay float32.
_FEWEST_WEIGHTS = 1024


class Calibrated(nn.Module):
    """The mean probabilities of the members, and with several members those of each."""

    def __init__(self, networks: Sequence[nn.Module], temperature: float) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.temperature = temperature

    def forward(self, x: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """(n, *input_shape) to (n, labels), and (n, members, labels)."""
        each = [torch.softmax(network(x) / self.temperature, dim=-1) for network in self.networks]
        if len(each) == 1:
            return each[0]
        members = torch.stack(each, dim=1)
        return members.mean(dim=1), members


def export_graph(networks: Sequence[nn.Module], *, temperature: float, input_shape: tuple[int, ...]) -> Any:
    """The `onnx.ModelProto` of the mean of `networks` (tensors to logits), with a free batch axis.

    The exporter's metadata (source lines, local paths) is removed: the same weights give the same bytes on
    any machine.
    """
    model = Calibrated(networks, temperature).eval()
    outputs = [PROBABILITIES, MEMBER_PROBABILITIES][: min(2, len(networks))]
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # they are for the developers of the exporter
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            model,
            (torch.zeros(2, *input_shape),),
            dynamo=True,
            verbose=False,
            input_names=["features"],
            output_names=outputs,
            dynamic_shapes=({0: torch.export.Dim("segments")},),
        )
    proto = program.model_proto
    graph = proto.graph
    values = (*graph.value_info, *graph.input, *graph.output, *graph.initializer)
    for part in (proto, graph, *graph.node, *values):
        del part.metadata_props[:]
        part.doc_string = ""
    proto.producer_name, proto.producer_version = "audiocnn", ""
    return proto


def store_weights(proto: Any, *, bits: int) -> None:
    """Store large weights in 16 or 8 bits, converted to float32 when the graph is loaded; 32: unchanged.

    16 bits (half precision) change probabilities by about 1e-4, 8 bits (with a scale for each output
    channel) by about 1e-2. Both use operators that ONNX Runtime folds into constants when it opens the file;
    it would run a `DequantizeLinear` for each input.
    """
    if bits == 32:
        return
    nodes, scales = [], []
    store = _as_half if bits == 16 else _as_bytes
    for tensor in proto.graph.initializer:
        weights = numpy_helper.to_array(tensor)
        if weights.dtype != np.float32 or weights.size < _FEWEST_WEIGHTS:
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
