"""One ONNX graph from a backbone's input to the outputs of a head."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from audiocnn_cli.errors import ModelRefusedError
from audiocnn_cli.models.contract import EMBEDDING, OUTPUTS
from audiocnn_cli.models.frontend.features import GraphBuilder
from audiocnn_cli.models.session import Model
from audiocnn_cli.models.signature import Kind
from audiocnn_cli.training.heads.fit import Dense
from audiocnn_cli.training.model_file import store_weights

_SEGMENTS = "segments"
# The opset of Softmax over one axis, and of the operators that restore stored weights.
_OLDEST_OPSET = 13


def head_model(head: Dense, members: Sequence[Dense], *, kind: Kind, bits: int, opset: int) -> Any:
    """The `onnx.ModelProto` from embeddings (n, dimensions) to the outputs of `kind`.

    These are those of `head`, (n, outputs), and those of each of `members`, (n, members, outputs).
    """
    builder = GraphBuilder(opset=opset, prefix="head")
    own, each = OUTPUTS[kind]
    dimensions, width = head.weights.shape
    found = builder.node("Gemm", EMBEDDING, builder.matrix(head.weights), builder.matrix(head.bias))
    side_by_side = np.concatenate([member.weights for member in members], axis=1)
    biases = np.concatenate([member.bias for member in members])
    joined = builder.node("Gemm", EMBEDDING, builder.matrix(side_by_side), builder.matrix(biases))
    apart = builder.node("Reshape", joined, builder.sizes(-1, len(members), width))
    last = {"Softmax": {"axis": -1}} if kind is Kind.CLASSIFICATION else {"Identity": {}}
    ((operator, attributes),) = last.items()
    nodes = [
        helper.make_node(operator, [found], [own], **attributes),
        helper.make_node(operator, [apart], [each], **attributes),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [*builder.nodes, *nodes],
        "head",
        [value(EMBEDDING, TensorProto.FLOAT, [_SEGMENTS, dimensions])],
        [
            value(own, TensorProto.FLOAT, [_SEGMENTS, width]),
            value(each, TensorProto.FLOAT, [_SEGMENTS, len(members), width]),
        ],
        builder.constants,
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    store_weights(proto, bits=bits)
    return proto


def standard_opset(backbone: Any, *, where: str) -> int:
    """The version of the standard operators of a backbone.

    Raises:
        ModelRefusedError: it is too old for a head.
    """
    version = next((each.version for each in backbone.opset_import if each.domain in ("", "ai.onnx")), 0)
    if version < _OLDEST_OPSET:
        raise ModelRefusedError(
            f"{where}: uses ONNX operators of version {version}; a head requires {_OLDEST_OPSET} or newer, so"
            " export the network again"
        )
    return int(version)


def joined(backbone: Any, model: Model, head: Any) -> Any:
    """The graph of `backbone`, the file of `model`, with the head on its embedding.

    The outputs are those of the head and the embedding. What the backbone computes beside its embedding is
    left out.
    """
    own = str(model.embedding_output)
    inputs = [each.name for each in backbone.graph.input]
    proto = onnx.utils.Extractor(backbone).extract_model(inputs, [own])
    proto.producer_name, proto.producer_version = "audiocnn", ""
    graph, dimensions = proto.graph, head.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    del proto.metadata_props[:], graph.output[:]
    _rename(graph, own, own if own == EMBEDDING else "backbone/embedding")
    if own != EMBEDDING or model.contract.graph is not None:
        builder = GraphBuilder(opset=head.opset_import[0].version, prefix="pool")
        _rename(graph, EMBEDDING, "backbone/embedding")
        found = _one_row(builder, model, "backbone/embedding", dimensions)
        graph.node.extend([*builder.nodes, helper.make_node("Identity", [found], [EMBEDDING])])
        graph.initializer.extend(builder.constants)
    graph.node.extend(head.graph.node)
    graph.initializer.extend(head.graph.initializer)
    embedding = helper.make_tensor_value_info(EMBEDDING, TensorProto.FLOAT, [_SEGMENTS, dimensions])
    graph.output.extend([*head.graph.output, embedding])
    return proto


def _rename(graph: Any, name: str, to: str) -> None:
    """Give a value another name."""
    if name == to:
        return
    for node in graph.node:
        for names in (node.input, node.output):
            for i, each in enumerate(names):
                if each == name:
                    names[i] = to
    for i, info in reversed(list(enumerate(graph.value_info))):
        if info.name == name:
            del graph.value_info[i]


def _one_row(builder: GraphBuilder, model: Model, value: str, dimensions: int) -> str:
    """An embedding from elsewhere as float32 of shape (segments, dimensions): the mean of several rows."""
    number = builder.node("Cast", value, to=TensorProto.FLOAT)
    if model.binding.single:
        count = builder.sizes(1)
    else:
        count = builder.node("Gather", builder.node("Shape", model.binding.input), builder.sizes(0))
    shape = builder.concat(count, builder.sizes(-1, dimensions), axis=0)
    rows = builder.node("Reshape", number, shape)
    return builder.reduce("ReduceMean", rows, axes=(1,), keep=False)
