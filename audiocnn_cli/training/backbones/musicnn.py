"""The networks of musicnn (Pons and Serra 2019, arXiv:1909.06654) as graphs from mel spectra to an embedding.

`MSD_musicnn` and `MTT_musicnn` give 200 numbers, those before their tags; `MSD_vgg` the 256 of its last
pooling.
"""

from collections.abc import Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.models.frontend.features import GraphBuilder
from audiocnn_cli.training.backbones.pruning import Affine, Channels, affine, convolve, joined

Array = NDArray[np.float32]
Weights = Mapping[str, Array]
FRAMES, MELS = 187, 96
# The mean of the mel spectra that the level is brought to: the networks were trained on music of that level.
_LEVEL = 0.523
_COMPRESSION = 10_000.0
_EPS = 1e-3


def log_mel(graph: GraphBuilder, mel: str, *, level: bool) -> str:
    """Mel powers (n, 187, 96) to what the networks are fed: log10(10000 x + 1), (n, 1, 187, 96)."""
    if level:
        mean = graph.reduce("ReduceMean", mel, axes=(1, 2), keep=True)
        floor = graph.node("Max", mean, graph.number(1e-12))
        mel = graph.node("Mul", mel, graph.node("Div", graph.number(_LEVEL), floor))
    grown = graph.node("Add", graph.node("Mul", mel, graph.number(_COMPRESSION)), graph.number(1))
    logs = graph.node("Mul", graph.node("Log", grown), graph.number(1 / np.log(10)))
    return graph.node("Unsqueeze", logs, graph.sizes(1))


def musicnn(graph: GraphBuilder, spectra: str, weights: Weights, *, prune: bool) -> str:
    """The 200 numbers before the tags, (n, 200); `spectra` is (n, 1, 187, 96)."""
    given = _input(graph, spectra, weights)
    front = joined(graph, [_front(graph, given, weights, number, prune=prune) for number in range(5)])
    first = _middle(graph, front, weights, 5, prune=prune)
    second = _residual(graph, _middle(graph, first, weights, 6, prune=prune), first)
    third = _residual(graph, _middle(graph, second, weights, 7, prune=prune), second)
    pooled = joined(graph, [front, first, second, third])
    return _dense(graph, pooled, weights)


def vgg(graph: GraphBuilder, spectra: str, weights: Weights, *, prune: bool) -> str:
    """The 256 numbers of the last pooling, (n, 256); `spectra` is (n, 1, 187, 96)."""
    value, sizes = _input(graph, spectra, weights), (FRAMES, MELS)
    # The first pooling is (4, 1) by strides of (2, 2): only every second mel band is computed.
    strides, pools = (1, 2), [((4, 1), (2, 1)), *[((2, 2), (2, 2))] * 3, ((4, 4), (4, 4))]
    for number, (window, steps) in enumerate(pools, start=1):
        value = convolve(
            graph,
            value,
            weights[f"{number}CNN/kernel"].transpose(3, 2, 0, 1),
            weights[f"{number}CNN/bias"],
            _normalisation(weights, number),
            pads=(1, 1, 1, 1),
            sizes=sizes,
            strides=strides,
            prune=prune,
            maximum=partial(graph.node, "MaxPool", kernel_shape=window, strides=steps),
        )
        convolved = [(n - 1) // s + 1 for n, s in zip(sizes, strides, strict=True)]
        height, width = ((n - k) // s + 1 for n, k, s in zip(convolved, window, steps, strict=True))
        sizes, strides = (height, width), (1, 1)
    return graph.node("Reshape", value.value, graph.sizes(0, -1))


def _input(graph: GraphBuilder, spectra: str, weights: Weights) -> Channels:
    value = affine(graph, spectra, _normalisation(weights, 0), axes=2)
    return Channels(value, np.ones(1, dtype=bool), np.zeros(1, dtype=np.float32))


def _front(graph: GraphBuilder, given: Channels, weights: Weights, number: int, *, prune: bool) -> Channels:
    """One of the five first convolutions, its maximum over mel: (n, filters, 187)."""
    kernel = weights[_layer("conv2d", number, "kernel")].transpose(3, 2, 0, 1)
    length = kernel.shape[2]
    before = (length - 1) // 2
    found = convolve(
        graph,
        given,
        kernel,
        weights[_layer("conv2d", number, "bias")],
        _normalisation(weights, number + 1),
        pads=(before, 0, length - 1 - before, 0),
        sizes=(FRAMES, MELS),
        prune=prune,
        maximum=partial(graph.reduce, "ReduceMax", axes=(3,), keep=True),
    )
    return Channels(graph.node("Squeeze", found.value, graph.sizes(3)), found.live, found.constants)


def _middle(graph: GraphBuilder, given: Channels, weights: Weights, number: int, *, prune: bool) -> Channels:
    """One of the three convolutions over time, (n, 64, 187)."""
    # (7, channels, 1, filters) to (filters, channels, 7)
    kernel = weights[_layer("conv2d", number, "kernel")][:, :, 0].transpose(2, 1, 0)
    return convolve(
        graph,
        given,
        kernel,
        weights[_layer("conv2d", number, "bias")],
        _normalisation(weights, number + 1),
        pads=(3, 3),
        sizes=(FRAMES,),
        prune=prune,
    )


def _residual(graph: GraphBuilder, found: Channels, before: Channels) -> Channels:
    """The sum of two maps; a channel is constant where both are."""
    live = found.live | before.live
    sums = graph.node("Add", _spread(graph, found, live), _spread(graph, before, live))
    constants = np.where(live, 0, found.constants + before.constants)
    return Channels(sums, live, constants.astype(np.float32))


def _spread(graph: GraphBuilder, channels: Channels, live: NDArray[np.bool_]) -> str:
    """The map with the channels `live`, constant ones among them written out."""
    if (channels.live == live).all():
        return channels.value
    places = np.cumsum(channels.live) - 1
    chosen = np.where(channels.live, places, 0)[live]
    taken = graph.node("Gather", channels.value, graph.sizes(*chosen), axis=1)
    alive = channels.live[live].astype(np.float32)
    by = Affine(alive, channels.constants[live])
    return affine(graph, taken, by, axes=1)


def _dense(graph: GraphBuilder, pooled: Channels, weights: Weights) -> str:
    """Maximum and mean over time, batch normalisation, dense 200, ReLU, batch normalisation."""
    kernel, bias = weights["dense/kernel"], weights["dense/bias"]
    normalise = _normalisation(weights, 9)
    # Interleaved: the maximum and the mean of each channel stand side by side.
    bias = bias + normalise.shift @ kernel
    kernel = (normalise.scale[:, None] * kernel).reshape(len(pooled.live), 2, -1)
    steady = pooled.constants[~pooled.live]
    bias = bias + np.einsum("c,csu->u", steady, kernel[~pooled.live])
    kernel = kernel[pooled.live]
    highest = graph.reduce("ReduceMax", pooled.value, axes=(2,), keep=False)
    mean = graph.reduce("ReduceMean", pooled.value, axes=(2,), keep=False)
    numbers = graph.concat(highest, mean, axis=1)
    stacked = np.concatenate([kernel[:, 0], kernel[:, 1]])
    dense = graph.node("Gemm", numbers, graph.matrix(stacked), graph.matrix(bias))
    last = _normalisation(weights, 10)
    scaled = graph.node("Mul", graph.node("Relu", dense), graph.matrix(last.scale))
    return graph.node("Add", scaled, graph.matrix(last.shift))


def _layer(kind: str, number: int, part: str) -> str:
    return f"{kind}_{number}/{part}" if number else f"{kind}/{part}"


def _normalisation(weights: Weights, number: int) -> Affine:
    gamma, beta, mean, variance = (
        weights[_layer("batch_normalization", number, part)].astype(np.float64)
        for part in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    scale = gamma / np.sqrt(variance + _EPS)
    return Affine(scale.astype(np.float32), (beta - mean * scale).astype(np.float32))
