"""One ONNX model from waveform to probabilities, checked against the Python path before it is given away."""

import json
from dataclasses import dataclass
from typing import Any

from audiocnn_cli.errors import ModelRefusedError
from audiocnn_cli.models.contract import ModelContract
from audiocnn_cli.models.frontend.builder import GraphBuilder
from audiocnn_cli.models.frontend.clip import pool, segments
from audiocnn_cli.models.frontend.features import features, unsupported
from audiocnn_cli.models.golden import GoldenCheck, golden_signal
from audiocnn_cli.models.inference import infer
from audiocnn_cli.models.session import PROBABILITIES, Model

WAVEFORM = "waveform"
_TOLERANCE = 1e-3
# Slice, Squeeze and the other operators used take their axes as inputs since then.
_OLDEST_OPSET = 13
_NETWORK = "network/"


@dataclass(frozen=True, slots=True)
class WaveformModel:
    """The bytes of an ONNX file from waveform to probabilities, and how far it is from the Python path."""

    contract: ModelContract
    content: bytes
    check: GoldenCheck


def with_frontend(model: Model) -> WaveformModel:
    """`model` with everything in front of it, and the mean over the segments behind it.

    The input `waveform` has shape (n, samples): mono samples in [-1, 1] at the model's sample rate, of any
    length; the output `probabilities` has shape (n, labels).

    Raises:
        ModelRefusedError: the model's features are none that can be built, its operators are too old, or
            the whole gives other probabilities for the golden signal than the Python path does.
    """
    contract = model.contract
    for what in unsupported(contract.features):
        raise ModelRefusedError(
            f"{model.path}: no front end can be built for its features ({what}); only for mfcc, logmel and"
            " mel as librosa and torchaudio compute them"
        )
    proto = _compose(model)
    content: bytes = proto.SerializeToString(deterministic=True)
    check = _compare(content, model)
    if not check.passed:
        raise ModelRefusedError(
            f"{model.path}: with the front end inside, its probabilities for the golden signal differ by"
            f" {check.difference:.1e} (at most {check.tolerance:g})"
        )
    return WaveformModel(contract, content, check)


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
    import onnx
    from onnx import TensorProto, compose, helper

    contract = model.contract
    network = compose.add_prefix(onnx.load(model.path), _NETWORK)
    opset = _standard_opset(network, where=str(model.path))
    builder = GraphBuilder(opset=opset)
    pieces = segments(builder, WAVEFORM, contract.segment)
    tensors = features(builder, pieces, contract.features, length=contract.segment.length)
    shape = builder.sizes(-1, *contract.input_shape)
    feed = helper.make_node("Reshape", [tensors, shape], [network.graph.input[0].name])
    builder.nodes += [feed, *network.graph.node]
    answer = pool(builder, _NETWORK + PROBABILITIES, WAVEFORM, labels=len(contract.labels))
    builder.nodes.append(helper.make_node("Identity", [answer], [PROBABILITIES]))
    graph = helper.make_graph(
        builder.nodes,
        contract.name,
        [helper.make_tensor_value_info(WAVEFORM, TensorProto.FLOAT, ["clips", "samples"])],
        [
            helper.make_tensor_value_info(
                PROBABILITIES, TensorProto.FLOAT, ["clips", len(contract.labels)]
            )
        ],
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


def _standard_opset(network: Any, *, where: str) -> int:
    (version,) = (
        entry.version for entry in network.opset_import if entry.domain in ("", "ai.onnx")
    )
    if version < _OLDEST_OPSET:
        raise ModelRefusedError(
            f"{where}: uses ONNX operators of version {version}; a front end needs {_OLDEST_OPSET} or newer,"
            " so export the network again"
        )
    return int(version)


def _compare(content: bytes, model: Model) -> GoldenCheck:
    """The golden signal through the file as ONNX Runtime alone runs it, and through the Python path."""
    import numpy as np
    import onnxruntime

    contract = model.contract
    signal = golden_signal(
        sample_rate=contract.features.sample_rate, duration_s=contract.golden.duration_s
    )
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (found,) = session.run([PROBABILITIES], {WAVEFORM: signal[None, :]})
    expected = infer([signal], model).mean
    return GoldenCheck(float(np.abs(found[0] - expected).max()), _TOLERANCE)
