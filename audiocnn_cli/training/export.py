"""Export networks as an ONNX graph from feature tensors to calibrated probabilities."""

import io
import logging
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any

import torch
from torch import nn

from audiocnn_cli.models.contract import MEMBER_PROBABILITIES, PROBABILITIES


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
