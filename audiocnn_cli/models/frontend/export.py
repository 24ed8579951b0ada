"""A model as one ONNX graph from waveform to its output, checked against the Python path."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, compose, helper

from audiocnn_cli.audio.segments import SegmentConfig
from audiocnn_cli.errors import ModelRefusedError
from audiocnn_cli.models.contract import OUTPUTS, WAVEFORM, ModelContract
from audiocnn_cli.models.frontend.features import GraphBuilder, features, unsupported
from audiocnn_cli.models.golden import GoldenCheck, golden_signal
from audiocnn_cli.models.inference import infer
from audiocnn_cli.models.runtime import first_line
from audiocnn_cli.models.session import Model
from audiocnn_cli.models.signature import Activation

_TOLERANCE = 1e-3
# Slice, Squeeze and the other operators used take their axes as inputs since then.
_OLDEST_OPSET = 13
_NETWORK = "network/"
_OPERATORS = {Activation.SOFTMAX: "Softmax", Activation.SIGMOID: "Sigmoid"}  # over the last axis


@dataclass(frozen=True, slots=True)
class WaveformModel:
    """The bytes of an ONNX file from waveform to `output`, and its difference from the Python path.

    `output` has `width` numbers for each clip.
    """

    contract: ModelContract
    content: bytes
    check: GoldenCheck
    output: str
    width: int


def with_frontend(model: Model) -> WaveformModel:
    """`model` with segments and features before it, and the mean over the segments behind it.

    The input `waveform` has shape (n, samples): mono samples in [-1, 1] at the model's sample rate, of any
    length. The output is `probabilities` (n, labels), or `embedding` or `values` by the kind of the model.

    Raises:
        ModelRefusedError: the features can't be built from ONNX operators, the model's operators are too
            old, or the whole gives other probabilities for the golden signal than the Python path does.
    """
    for setting in unsupported(model.contract.features):
        raise ModelRefusedError(
            f"{model.path}: no front end can be built for its features ({setting}); only for waveform, mel,"
            " logmel and mfcc as librosa and torchaudio compute them"
        )
    try:
        content: bytes = _compose(model).SerializeToString(deterministic=True)
        check = _compare(content, model)
    except ModelRefusedError:
        raise
    except Exception as error:  # onnx and ONNX Runtime have no exception in common
        raise ModelRefusedError(
            f"{model.path}: can't be joined with a front end ({first_line(error)})"
        ) from error
    if not check.passed:
        raise ModelRefusedError(
            f"{model.path}: with the front end inside, its output for the golden signal differs by"
            f" {check.difference:.1e} (at most {check.tolerance:g})"
        )
    return WaveformModel(model.contract, content, check, _output(model), model.width)


def _output(model: Model) -> str:
    return OUTPUTS[model.contract.kind][0]


def _metadata(contract: ModelContract) -> dict[str, str]:
    """What a program needs beside the graph, as strings; `labels` is a JSON list."""
    return {
        "name": contract.name,
        "task": contract.task,
        "labels": json.dumps(contract.labels),
        "sample_rate": str(contract.features.sample_rate),
        "segment_length": str(contract.segment.length),
        "segment_hop": str(contract.segment.hop),
        "activation": contract.activation,
        "threshold": str(contract.threshold),
        "data": contract.data.name,
        "data_licence": contract.data.licence,
    }


def _compose(model: Model) -> Any:
    contract = model.contract
    network = compose.add_prefix(onnx.load(model.path), _NETWORK)
    builder = GraphBuilder(opset=_standard_opset(network, where=str(model.path)))
    pieces = segments(builder, WAVEFORM, contract.segment)
    tensors = features(builder, pieces, contract.features, length=contract.segment.length)
    rows = _network_rows(builder, tensors, network.graph, model)
    if model.binding.activation in _OPERATORS:
        rows = builder.node(_OPERATORS[model.binding.activation], rows)
    mean = pool(builder, rows, WAVEFORM, width=model.width)
    builder.nodes.append(helper.make_node("Identity", [mean], [_output(model)]))
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        builder.nodes,
        contract.name,
        [value(WAVEFORM, TensorProto.FLOAT, ["clips", "samples"])],
        [value(_output(model), TensorProto.FLOAT, ["clips", model.width])],
        [*network.graph.initializer, *builder.constants],
    )
    whole = helper.make_model(
        graph,
        opset_imports=network.opset_import,
        functions=network.functions,
        ir_version=network.ir_version,
        producer_name="audiocnn",
    )
    helper.set_model_props(whole, _metadata(contract))
    onnx.checker.check_model(whole, full_check=True)
    return whole


def _network_rows(builder: GraphBuilder, tensors: str, network: Any, model: Model) -> str:
    """Tensors (segments, frames, bins) through the network: (segments, width), before the activation."""
    binding = model.binding
    if binding.mean:
        tensors = builder.node("Sub", tensors, builder.matrix(np.array(binding.mean)))
        tensors = builder.node("Div", tensors, builder.matrix(np.array(binding.std)))
    if not binding.single:
        return _add_network(builder, tensors, network, model)
    # A graph for one segment becomes the body of a loop over the segments.
    inner = GraphBuilder(opset=builder.opset, prefix="segment")
    one = "segment/tensor"
    batch = inner.node("Unsqueeze", one, inner.sizes(0))
    row = inner.node("Squeeze", _add_network(inner, batch, network, model), inner.sizes(0))
    shape = list(model.contract.input_shape[:2])
    body = helper.make_graph(
        inner.nodes,
        "segment",
        [helper.make_tensor_value_info(one, TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(row, TensorProto.FLOAT, [model.width])],
    )
    builder.constants += inner.constants
    return builder.node("Scan", tensors, body=body, num_scan_inputs=1)


def _add_network(builder: GraphBuilder, tensors: str, network: Any, model: Model) -> str:
    """Add the network's nodes and those that lay out its inputs; its output as (segments, width)."""
    binding = model.binding
    inputs = {each.name: each.type.tensor_type for each in network.input}
    axes, ordered = binding.layout.axes, tensors
    if "F" in axes and axes.index("F") < axes.index("T"):
        ordered = builder.node("Transpose", tensors, perm=(0, 2, 1))
    # Without an axis of segments there is one segment, whose axis Reshape drops.
    sizes = dict(zip("NTF", (-1, *model.contract.input_shape), strict=False)) | {"1": 1}
    shape = builder.sizes(*(sizes[axis] for axis in axes))
    fed = {binding.input: builder.node("Reshape", ordered, shape)}
    count = builder.node("Gather", builder.node("Shape", tensors), builder.sizes(0))
    if binding.lengths is not None:
        frames = builder.sizes(sizes["T"])
        is_scalar = not inputs[_NETWORK + binding.lengths].shape.dim
        fed[binding.lengths] = (
            builder.node("Squeeze", frames) if is_scalar else builder.node("Expand", frames, count)
        )
    for name, value in fed.items():
        to = inputs[_NETWORK + name].elem_type
        builder.nodes.append(helper.make_node("Cast", [value], [_NETWORK + name], to=to))
    builder.nodes += network.node
    found = builder.node("Cast", _NETWORK + binding.output, to=TensorProto.FLOAT)
    rows = builder.concat(count, builder.sizes(-1, model.width), axis=0)
    # An output with several rows for each segment is averaged.
    return builder.reduce("ReduceMean", builder.node("Reshape", found, rows), axes=(1,), keep=False)


def segments(builder: GraphBuilder, waveform: str, config: SegmentConfig) -> str:
    """Clips (n, samples) to their segments, one clip after the other: (n * segments, length).

    Equal to `audio.segments.cut`: a clip shorter than one segment is repeated or padded to fill it; a
    remainder of half a segment or more gives one more segment, which ends with the clip.
    """
    length, hop = builder.sizes(config.length), builder.sizes(config.hop)
    zero, one, two = builder.sizes(0), builder.sizes(1), builder.sizes(2)
    samples = builder.node("Gather", builder.node("Shape", waveform), one)
    filled = builder.node("Max", samples, length)
    if config.pad_short:
        missing = builder.node("Sub", filled, samples)
        before = builder.node("Div", missing, two)
        widths = builder.concat(zero, before, zero, builder.node("Sub", missing, before), axis=0)
        clip = builder.node("Pad", waveform, widths)
    else:
        # At least 1: ONNX Runtime may divide by the length of an empty clip, which ends the process.
        padded = builder.node("Add", samples, builder.sizes(config.length - 1))
        repeats = builder.node("Div", padded, builder.node("Max", samples, one))
        repeated = builder.node("Tile", waveform, builder.concat(one, repeats, axis=0))
        clip = builder.node("Slice", repeated, zero, filled, one)

    last = builder.node("Sub", filled, length)
    steps = builder.node("Div", last, hop)
    rest = builder.node("Sub", last, builder.node("Mul", steps, hop))
    is_long = builder.node("GreaterOrEqual", builder.node("Mul", rest, two), length)
    one_more = builder.node("Cast", is_long, to=TensorProto.INT64)
    count = builder.node("Add", builder.node("Add", steps, one), one_more)
    starts = builder.node("Min", builder.node("Mul", _range(builder, count), hop), last)
    positions = builder.node("Add", builder.node("Unsqueeze", starts, one), _range(builder, length))
    pieces = builder.node("Gather", clip, positions, axis=1)
    return builder.node("Reshape", pieces, builder.sizes(-1, config.length))


def pool(builder: GraphBuilder, rows: str, waveform: str, *, width: int) -> str:
    """The output of segments (n * segments, width) to its mean for each clip: (n, width)."""
    clips = builder.node("Gather", builder.node("Shape", waveform), builder.sizes(0))
    shape = builder.concat(clips, builder.sizes(-1, width), axis=0)
    by_clip = builder.node("Reshape", rows, shape)
    return builder.reduce("ReduceMean", by_clip, axes=(1,), keep=False)


def _range(builder: GraphBuilder, count: str) -> str:
    """0 to count - 1, for a count of shape (1,)."""
    start, step = (builder.constant(np.array(number)) for number in (0, 1))
    return builder.node("Range", start, builder.node("Squeeze", count), step)


def _standard_opset(network: Any, *, where: str) -> int:
    (version,) = (entry.version for entry in network.opset_import if entry.domain in ("", "ai.onnx"))
    if version < _OLDEST_OPSET:
        raise ModelRefusedError(
            f"{where}: uses ONNX operators of version {version}; a front end requires {_OLDEST_OPSET} or"
            " newer, so export the network again"
        )
    return int(version)


def _compare(content: bytes, model: Model) -> GoldenCheck:
    """The golden signal through the file as ONNX Runtime alone runs it, and through the Python path."""
    contract = model.contract
    signal = golden_signal(sample_rate=contract.features.sample_rate, duration_s=contract.golden.duration_s)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (found,) = session.run([_output(model)], {WAVEFORM: signal[None, :]})
    expected = infer([signal], model).mean
    return GoldenCheck(float(np.abs(found[0] - expected).max()), _TOLERANCE)
