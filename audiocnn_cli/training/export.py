"""A network becomes an ONNX file with its contract inside."""

import io
import logging
import warnings
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from audiocnn_cli.models.contract import METADATA_KEY, ModelContract, encode
from audiocnn_cli.output.files import atomic_writer


def export_graph(network: Any, *, input_shape: tuple[int, ...]) -> Any:
    """The ONNX graph of `network` (tensors to logits) with a softmax behind it and a free batch axis.

    Traces of the exporter (source lines, paths of this machine) are taken out: the same weights give the
    same bytes anywhere. Returns an `onnx.ModelProto`.
    """
    import torch

    model = torch.nn.Sequential(network, torch.nn.Softmax(dim=-1)).eval()
    example = torch.zeros(2, *input_shape)
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # the exporter's advice is for its own developers
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            model,
            (example,),
            dynamo=True,
            verbose=False,
            input_names=["features"],
            output_names=["probabilities"],
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
