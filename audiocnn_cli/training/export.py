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
from torch import nn

from audiocnn_cli.models.contract import METADATA_KEY, ModelContract, encode
from audiocnn_cli.models.session import MEMBER_PROBABILITIES, PROBABILITIES
from audiocnn_cli.output.files import atomic_writer

_HALVED_FROM = 1024


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


def halve(proto: Any) -> None:
    """Store large weights in half precision, each turned back by a Cast as the graph is loaded.

    Half the size; probabilities change by some 1e-4 (11 bits of mantissa).
    """
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for tensor in proto.graph.initializer:
        weights = numpy_helper.to_array(tensor)
        if weights.dtype != np.float32 or weights.size < _HALVED_FROM:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(weights.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *proto.graph.node]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)


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
