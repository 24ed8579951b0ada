"""Google's speech embedding (Lin et al. 2020, arXiv:2002.01322): a second of speech to 3 x 96 numbers.

The network is read from openWakeWord's `embedding_model.onnx`. Its input is the log-mel spectrum that the
package's `melspectrogram.onnx` computes; that one's window and mel filters equal those of `FEATURES`, so the
operators of `models.frontend` replace its 1.1 MB of weights.
"""

from collections.abc import Mapping

import onnx
from onnx import helper, numpy_helper

from audiocnn_cli.errors import ModelRefusedError
from audiocnn_cli.features.config import Feature, FeatureConfig
from audiocnn_cli.models.frontend.features import GraphBuilder, features

SAMPLE_RATE = 16000
# Frames of 25 ms every 10 ms, between 60 and 3800 Hz.
FEATURES = FeatureConfig(
    feature=Feature.LOGMEL,
    sample_rate=SAMPLE_RATE,
    n_fft=512,
    win_length=400,
    hop_length=160,
    n_mels=32,
    fmin=60,
    fmax=3800,
    center=False,
)
# The network was fed samples in the range of 16-bit integers; speech is brought to half of it.
_PEAK = 0.5 * 32767
_QUIETEST = 1e-6
# Frames that the network takes, and from one window to the next: 0.775 s and 0.08 s.
_WINDOW, _HOP, _WINDOWS = 76, 8, 3
_DIMENSIONS = 96


def read_network(content: bytes, *, where: str) -> onnx.GraphProto:
    """The graph of the embedding in the ONNX file `content`: (n, 76, 32, 1) to (n, 1, 1, 96).

    Raises:
        ModelRefusedError: the file, which errors call `where`, is cut or has other inputs.
    """
    try:
        model = onnx.load_from_string(content)
        onnx.checker.check_model(model)
        graph = model.graph
        sizes = [dim.dim_value for dim in graph.input[0].type.tensor_type.shape.dim[1:]]
    except Exception as error:  # protobuf's and onnx' exceptions share no root of their own
        raise ModelRefusedError(f"{where}: is not the network of the speech embedding") from error
    if sizes != [_WINDOW, FEATURES.n_mels, 1]:
        raise ModelRefusedError(f"{where}: takes {sizes}, not the {_WINDOW} frames of the speech embedding")
    return graph


def speech(graph: GraphBuilder, waveform: str, network: onnx.GraphProto) -> str:
    """The embeddings of three windows side by side, (n, 288); `waveform` is (n, 16000)."""
    highest = graph.reduce("ReduceMax", graph.node("Abs", waveform), axes=(1,), keep=True)
    level = graph.node("Div", graph.number(_PEAK), graph.node("Max", highest, graph.number(_QUIETEST)))
    spectra = features(graph, graph.node("Mul", waveform, level), FEATURES, length=SAMPLE_RATE)
    scaled = graph.node("Add", graph.node("Mul", spectra, graph.number(0.1)), graph.number(2))
    windows = [
        graph.node("Unsqueeze", graph.slice(scaled, axis=1, start=at, stop=at + _WINDOW), graph.sizes(1))
        for at in range(0, _WINDOWS * _HOP, _HOP)
    ]
    shape = graph.sizes(-1, _WINDOW, FEATURES.n_mels, 1)
    stacked = graph.node("Reshape", graph.concat(*windows, axis=1), shape)
    embedded = _insert(graph, network, stacked)
    return graph.node("Reshape", embedded, graph.sizes(-1, _WINDOWS * _DIMENSIONS))


def _insert(graph: GraphBuilder, network: onnx.GraphProto, value: str) -> str:
    """The nodes of `network` with `value` as the input, under names of the builder."""
    names: dict[str, str] = {network.input[0].name: value}
    for tensor in network.initializer:
        names[tensor.name] = graph.constant(numpy_helper.to_array(tensor))
    for node in network.node:
        names[node.output[0]] = graph.node(node.op_type, *(names[i] for i in node.input), **_attributes(node))
    return names[network.output[0].name]


def _attributes(node: onnx.NodeProto) -> Mapping[str, object]:
    return {each.name: helper.get_attribute_value(each) for each in node.attribute}
