"""SoundNet (Aytar, Vondrick and Torralba 2016, arXiv:1610.09001): a waveform to an embedding.

The weights are a pickled dictionary in an .npy file. It is read with an unpickler that makes NumPy arrays and
nothing else, since a pickle can run any code.
"""

import io
import pickle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.errors import ModelRefusedError
from audiocnn_cli.models.frontend.features import GraphBuilder

Array = NDArray[np.float32]
SAMPLE_RATE = 22050
# The range of the samples that the network was trained on.
_PEAK = 256.0
_EPS = 1e-5
_QUIETEST = 1e-6
# Layer: kernel, padding; max-pooling behind it as (window, stride).
_LAYERS = {
    "conv1": (64, 32),
    "conv2": (32, 16),
    "conv3": (16, 8),
    "conv4": (8, 4),
    "conv5": (4, 2),
    "conv6": (4, 2),
}
_POOLS = {"conv1": (8, 8), "conv2": (8, 8), "conv5": (4, 2)}
_SAFE = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}


class _ArraysOnly(pickle.Unpickler):
    """Loads NumPy arrays in dictionaries, and refuses everything else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _SAFE:
            raise pickle.UnpicklingError(f"it holds a {module}.{name}")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def read_weights(content: bytes, *, where: str) -> dict[str, dict[str, Array]]:
    """The weights of each layer in the .npy file `content`: weights, biases, gamma, beta, mean, var.

    Raises:
        ModelRefusedError: the file, which errors call `where`, is cut or is not SoundNet's.
    """
    stream = io.BytesIO(content)
    try:
        np.lib.format.read_magic(stream)
        np.lib.format.read_array_header_1_0(stream)  # the pickle follows
        layers: dict[str, dict[str, Array]] = _ArraysOnly(stream, encoding="latin1").load().item()
        return {name: layers[name] for name in _LAYERS}
    except (ValueError, KeyError, EOFError, AttributeError, pickle.UnpicklingError) as error:
        raise ModelRefusedError(f"{where}: is not SoundNet's weights ({error})") from error


def soundnet(graph: GraphBuilder, waveform: str, weights: dict[str, dict[str, Array]]) -> str:
    """Mean and maximum over time of conv4, conv5 and conv6, log1p: (n, 1792); `waveform` is (n, samples)."""
    highest = graph.reduce("ReduceMax", graph.node("Abs", waveform), axes=(1,), keep=True)
    level = graph.node("Div", graph.number(_PEAK), graph.node("Max", highest, graph.number(_QUIETEST)))
    value = graph.node("Unsqueeze", graph.node("Mul", waveform, level), graph.sizes(1))
    parts = []
    for name, (kernel, padding) in _LAYERS.items():
        value = _convolve(graph, value, weights[name], kernel=kernel, padding=padding)
        if name in ("conv4", "conv5", "conv6"):
            parts += [
                graph.reduce(operator, value, axes=(2,), keep=False)
                for operator in ("ReduceMean", "ReduceMax")
            ]
        if name in _POOLS:
            window, stride = _POOLS[name]
            value = graph.node("MaxPool", value, kernel_shape=(window,), strides=(stride,))
    numbers = graph.concat(*parts, axis=1)
    return graph.node("Log", graph.node("Add", numbers, graph.number(1)))


def _convolve(graph: GraphBuilder, value: str, layer: dict[str, Array], *, kernel: int, padding: int) -> str:
    """Convolution by 2, batch normalisation folded into its weights, ReLU."""
    scale = layer["gamma"] / np.sqrt(layer["var"] + _EPS)
    # (kernel, 1, channels, filters) to (filters, channels, kernel)
    weights = layer["weights"].reshape(kernel, -1, layer["weights"].shape[-1]).transpose(2, 1, 0)
    bias = (layer["biases"] - layer["mean"]) * scale + layer["beta"]
    found = graph.node(
        "Conv",
        value,
        graph.matrix(weights * scale[:, None, None]),
        graph.matrix(bias),
        strides=(2,),
        pads=(padding, padding),
    )
    return graph.node("Relu", found)
