"""A network becomes an ONNX file with its contract inside."""

import io
import logging
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from audiocnn_cli.files import atomic_writer
from audiocnn_cli.models.contract import (
    MEMBER_PROBABILITIES,
    METADATA_KEY,
    PROBABILITIES,
    ModelContract,
    encode,
)

_STORED_SMALL_FROM = 1024


class Calibrated(nn.Module):
    """Segments to the members' mean probabilities, and with several members to those of each."""

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


def export_graph(
    networks: Sequence[nn.Module], *, temperature: float, input_shape: tuple[int, ...]
) -> Any:
    """The ONNX graph of the mean of `networks` (tensors to logits), with a free batch axis.

    Traces of the exporter (source lines, paths of this machine) are taken out: the same weights give the
    same bytes anywhere. Returns an `onnx.ModelProto`.
    """
    model = Calibrated(networks, temperature).eval()
    outputs = [PROBABILITIES, MEMBER_PROBABILITIES][: min(2, len(networks))]
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # the exporter's advice is for its own developers
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
    return _without_traces(program.model_proto)


def _without_traces(proto: Any) -> Any:
    graph = proto.graph
    for part in (proto, graph, *graph.node, *graph.value_info, *graph.input, *graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
    for tensor in graph.initializer:
        del tensor.metadata_props[:]
        tensor.doc_string = ""
    proto.producer_name, proto.producer_version = "audiocnn", ""
    return proto


def store_weights(proto: Any, *, bits: int) -> None:
    """Store large weights in 16 or 8 bits, turned back into float32 as the graph is loaded; 32: as they are.

    16 bits (half precision) change probabilities by some 1e-4. 8 bits, with a scale for each output channel,
    change them by some 1e-2. Both are written with operators that ONNX Runtime works out once, when it opens
    the file: a `DequantizeLinear` it would work out in each run.
    """
    from onnx import numpy_helper

    if bits == 32:
        return
    nodes, scales = [], []
    store = _as_half if bits == 16 else _as_bytes
    for tensor in proto.graph.initializer:
        weights = numpy_helper.to_array(tensor)
        if weights.dtype != np.float32 or weights.size < _STORED_SMALL_FROM:
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
    from onnx import TensorProto, helper, numpy_helper

    stored = numpy_helper.from_array(weights.astype(np.float16), f"{name}.half")
    return [helper.make_node("Cast", [stored.name], [name], to=TensorProto.FLOAT)], stored


def _as_bytes(name: str, weights: NDArray[np.float32]) -> tuple[Any, ...]:
    from onnx import TensorProto, helper, numpy_helper

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
    """Write the graph with `contract` in its metadata, whole or not at all.

    Raises:
        OutputError: the file can't be written, or exists and `force` is not given.
    """
    import onnx

    onnx.helper.set_model_props(proto, {METADATA_KEY: encode(contract)})
    onnx.checker.check_model(proto)
    with atomic_writer(path, "wb", force=force) as stream:
        stream.write(proto.SerializeToString(deterministic=True))
