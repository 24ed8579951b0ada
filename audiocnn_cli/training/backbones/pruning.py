"""Remove constant filters: those whose weights training has decayed to zero.

Such a filter gives the same value everywhere: its bias, through ReLU and batch normalisation. Its channel is
removed, and what it contributes to the next layer is computed from its value. Where the next convolution pads
with zeros, that contribution is smaller at the edges: it is the convolution of a map of ones, which ONNX
Runtime folds into a constant when it opens the model.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.models.frontend.features import GraphBuilder

Array = NDArray[np.float32]
# Largest weight of a filter that counts as zero: alive ones have weights of 0.01 and more.
_DEAD = 1e-3


@dataclass(frozen=True, slots=True)
class Channels:
    """Feature maps of a graph, (n, live channels, *sizes), and the constant values of the others.

    `live` marks the channels that the map has, shape (channels,); `constants` holds the values of the others
    in the same order, 0 for live ones.
    """

    value: str
    live: NDArray[np.bool_]
    constants: Array


@dataclass(frozen=True, slots=True)
class Affine:
    """Batch normalisation as a scale and a shift for each channel."""

    scale: Array
    shift: Array


def dead(kernel: Array) -> NDArray[np.bool_]:
    """Filters without a weight that counts; `kernel` is (filters, ...)."""
    return np.asarray(np.abs(kernel.reshape(len(kernel), -1)).max(axis=1) < _DEAD)


def convolve(
    graph: GraphBuilder,
    given: Channels,
    kernel: Array,
    bias: Array,
    normalise: Affine,
    *,
    pads: tuple[int, ...],
    sizes: tuple[int, ...],
    strides: tuple[int, ...] | None = None,
    prune: bool,
    maximum: Callable[[str], str] | None = None,
) -> Channels:
    """Convolution, ReLU, batch normalisation of the channels that are not constant, maximum.

    Args:
        graph: takes the nodes.
        given: the input.
        kernel: (filters, channels, *window).
        bias: (filters,).
        normalise: of the filters' outputs.
        pads: zeros before each axis, then behind each.
        sizes: of the input's axes.
        strides: of the window; None: 1.
        prune: whether constant filters are removed.
        maximum: adds a maximum over positions of each channel, and keeps the axes.
    """
    keep = ~dead(kernel) if prune else np.ones(len(kernel), dtype=bool)
    constants = np.where(keep, 0, normalise.scale * np.maximum(bias, 0) + normalise.shift)
    live = kernel[keep]
    steps = strides or (1,) * len(sizes)
    if given.live.any() and given.constants.any():
        steady = np.einsum("fc...,c->f...", live[:, ~given.live], given.constants[~given.live])
        ones = graph.matrix(np.ones((1, 1, *sizes)))
        edges = graph.node("Conv", ones, graph.matrix(steady[:, None]), pads=pads, strides=steps)
    else:
        edges = ""
    weights, offsets = graph.matrix(live[:, given.live]), graph.matrix(bias[keep])
    value = graph.node("Conv", given.value, weights, offsets, pads=pads, strides=steps)
    if edges:
        value = graph.node("Add", value, edges)
    value = graph.node("Relu", value)
    scale, shift = normalise.scale[keep], normalise.shift[keep]
    # A scale above 0 keeps the order: the normalisation of the maximum has fewer positions.
    first = maximum is not None and bool((scale > 0).all())
    if maximum is not None and first:
        value = maximum(value)
    value = affine(graph, value, Affine(scale, shift), axes=len(sizes))
    if maximum is not None and not first:
        value = maximum(value)
    return Channels(value, keep, constants.astype(np.float32))


def affine(graph: GraphBuilder, value: str, by: Affine, *, axes: int) -> str:
    """Scale and shift of the channels of a map with so many axes behind them."""
    shape = (-1, *[1] * axes)
    scaled = graph.node("Mul", value, graph.matrix(by.scale.reshape(shape)))
    return graph.node("Add", scaled, graph.matrix(by.shift.reshape(shape)))


def joined(graph: GraphBuilder, parts: list[Channels]) -> Channels:
    """The channels of several maps, one after the other."""
    return Channels(
        graph.concat(*[part.value for part in parts], axis=1),
        np.concatenate([part.live for part in parts]),
        np.concatenate([part.constants for part in parts]),
    )
