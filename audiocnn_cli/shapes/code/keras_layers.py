"""The layers and the expressions of Keras 3 for each kind of layer; all of them take the channels last."""

from collections.abc import Callable
from itertools import chain
from typing import Any, TypeAlias

from audiocnn_cli.shapes.choices import Framework
from audiocnn_cli.shapes.code.keras_classes import ACTIVATIONS
from audiocnn_cli.shapes.code.source import CodeError, Node, call, one_or_all
from audiocnn_cli.shapes.layers import convolution, dense, elementwise, pooling, reshaping, sequence
from audiocnn_cli.shapes.sizes import Sizes
from audiocnn_cli.shapes.step import Layer, Pad

# The layers of Keras in order; text with {x} is an expression of the tensor before it instead.
Maker: TypeAlias = Callable[[Node], list[str]]


def refuse(node: Node, reason: str) -> CodeError:
    """The error for a layer that Keras does not have."""
    return CodeError(node.step, Framework.KERAS, reason)


def activation_of(node: Node) -> str | None:
    """The activation of a layer as a quoted name; None where there is none."""
    name = node.step.activation
    return None if name in {None, "linear"} else f'"{ACTIVATIONS.get(str(name), name)}"'


def _axes(node: Node, most: int = 3) -> int:
    if node.rank > most:
        raise refuse(node, f"Keras has it for up to {most} spatial axes, not {node.rank}")
    return node.rank


def _bias(node: Node) -> str | None:
    return None if getattr(node.layer, "bias", True) else "False"


def _unless(sizes: Sizes, default: int) -> str | None:
    return None if set(sizes) == {default} else one_or_all(sizes)


def _zero_padding(pads: Pad) -> str:
    """A layer that pads with zeros."""
    sides = pads[0] if len(pads) == 1 else pads
    return f"layers.ZeroPadding{len(pads)}D({sides})"


def _padding(node: Node) -> tuple[list[str], str | None]:
    """A layer that pads, and the mode: Keras has no padding by number in its convolutions."""
    layer: Any = node.layer
    pads = node.step.pad or ()
    mode = layer.padding.mode
    if mode == "same" or (mode == "causal" and node.rank == 1 and isinstance(layer, convolution.Conv)):
        return [], f'"{mode}"'
    if not any(chain.from_iterable(pads)):
        return [], None
    return [_zero_padding(pads)], None


def _window(node: Node) -> tuple[list[str], dict[str, object]]:
    before, mode = _padding(node)
    stride, dilation = node.step.stride or (1,), node.step.dilation or (1,)
    if max(stride) > 1 and max(dilation) > 1:
        raise refuse(node, "Keras has no stride together with a dilation")
    options: dict[str, object] = {"strides": _unless(stride, 1), "padding": mode}
    return before, options | {"dilation_rate": _unless(dilation, 1)}


def _conv(node: Node) -> list[str]:
    layer: Any = node.layer
    before, options = _window(node)
    shared = options | {"activation": activation_of(node), "use_bias": _bias(node)}
    kernel = one_or_all(node.step.kernel or ())
    if isinstance(layer, convolution.Conv):
        groups = None if layer.groups == 1 else layer.groups
        return [*before, call(f"layers.Conv{_axes(node)}D", layer.filters, kernel, groups=groups, **shared)]
    axes, stride = _axes(node, 2), node.step.stride or (1,)
    if len(set(stride)) > 1:
        raise refuse(node, "Keras' depthwise convolutions have one stride for both axes")
    multiplier = None if layer.multiplier == 1 else layer.multiplier
    if isinstance(layer, convolution.Separable):
        name, sizes = "SeparableConv", [layer.filters, kernel]
    else:
        name, sizes = "DepthwiseConv", [kernel]
    return [*before, call(f"layers.{name}{axes}D", *sizes, depth_multiplier=multiplier, **shared)]


def _transposed(node: Node) -> list[str]:
    """A transposed convolution; a padding by number is cut off what a valid one gives."""
    layer: Any = node.layer
    step, axes = node.step, _axes(node)
    stride, dilation, kernel = step.stride or (1,), step.dilation or (1,), step.kernel or (1,)
    if layer.groups > 1:
        raise refuse(node, "Keras' transposed convolutions have no groups")
    if max(stride) > 1 and max(dilation) > 1:
        raise refuse(node, "Keras has no stride together with a dilation")
    if layer.padding.mode in {"same-lower", "causal"}:
        raise refuse(node, f"Keras has no {layer.padding.mode} padding in transposed convolutions")
    shared = {
        "strides": _unless(stride, 1),
        "dilation_rate": _unless(dilation, 1),
        "activation": activation_of(node),
        "use_bias": _bias(node),
    }
    name, sizes = f"layers.Conv{axes}DTranspose", (layer.filters, one_or_all(kernel))
    if not layer.padding.amounts:
        mode = '"same"' if layer.padding.mode == "same" else None
        extra = None if not any(layer.output_padding) else one_or_all(layer.output_padding)
        return [call(name, *sizes, **shared, padding=mode, output_padding=extra)]
    given = [
        (n - 1) * s + max(d * (k - 1) + 1, s)
        for n, s, d, k in zip(node.spatial, stride, dilation, kernel, strict=True)
    ]
    ends = [
        size - before - int(output)
        for size, (before, _), output in zip(given, step.pad or (), step.output, strict=False)
    ]
    cut = tuple((before, max(0, end)) for (before, _), end in zip(step.pad or (), ends, strict=True))
    more = tuple((0, max(0, -end)) for end in ends)
    lines = [call(name, *sizes, **shared)]
    if any(chain.from_iterable(more)):
        lines.append(_zero_padding(more))
    if any(chain.from_iterable(cut)):
        lines.append(f"layers.Cropping{axes}D({cut[0] if axes == 1 else cut})")
    return lines


def _pool(node: Node) -> list[str]:
    layer: Any = node.layer
    step, axes = node.step, _axes(node)
    if max(step.dilation or (1,)) > 1:
        raise refuse(node, "Keras has no pooling with a dilation")
    is_max = isinstance(layer, pooling.MaxPool)
    kernel, stride = step.kernel or (), step.stride or ()
    name = f"layers.{'Max' if is_max else 'Average'}Pooling{axes}D"
    options = {"strides": None if stride == kernel else one_or_all(stride)}
    if layer.padding.mode == "same":
        return [call(name, one_or_all(kernel), **options, padding='"same"')]
    pads = list(step.pad or ())
    if layer.ceil:
        if not is_max:
            raise refuse(node, "Keras has no ceil mode in average pooling")
        for axis, (before, after) in enumerate(pads):
            # As many zeros as give the output without rounding up.
            covered = (int(step.output[axis]) - 1) * stride[axis] + kernel[axis]
            least = covered - node.spatial[axis] - before
            pads[axis] = (before, min(max(after, least), least + stride[axis] - 1))
    lines = [call(name, one_or_all(kernel), **options)]
    if any(chain.from_iterable(pads)):
        value = "-float('inf')" if is_max else "0.0"
        lines.insert(0, f"ops.pad({{x}}, {((0, 0), *pads, (0, 0))}, constant_values={value})")
    return lines


def _adaptive(node: Node) -> list[str]:
    kind = "Average" if isinstance(node.layer, pooling.AdaptiveAvgPool) else "Max"
    sizes = tuple(int(size) for size in node.step.output[:-1])
    return [call(f"layers.Adaptive{kind}Pooling{_axes(node)}D", one_or_all(sizes))]


def _global(node: Node) -> list[str]:
    layer: Any = node.layer
    kind = "Average" if isinstance(layer, pooling.GlobalAvgPool) else "Max"
    keepdims = "True" if layer.keepdims else None
    return [call(f"layers.Global{kind}Pooling{_axes(node)}D", keepdims=keepdims)]


def _recurrent(node: Node) -> list[str]:
    layer: Any = node.layer
    options = {"return_sequences": "True" if layer.return_sequences else None, "use_bias": _bias(node)}
    if isinstance(layer, dense.GRU) and not layer.reset_after:
        options["reset_after"] = "False"
    name = {"RNN": "SimpleRNN"}.get(type(layer).__name__, type(layer).__name__)
    cell = call(f"layers.{name}", layer.units, **options)
    return [f"layers.Bidirectional({cell})" if layer.bidirectional else cell]


def _attention(node: Node) -> list[str]:
    layer: Any = node.layer
    if layer.relative:
        raise refuse(node, "Keras has no attention with relative positions")
    made = call("layers.MultiHeadAttention", layer.heads, node.channels // layer.heads, use_bias=_bias(node))
    return [f"{made}({{x}}, {{x}}{', use_causal_mask=True' if layer.causal else ''})"]


def _patches(node: Node) -> list[str]:
    kernel = one_or_all(node.step.kernel or ())
    made = call(f"layers.Conv{_axes(node)}D", node.step.filters, kernel, strides=kernel, use_bias=_bias(node))
    return [made, f"layers.Reshape({node.step.output})"]


def _batchnorm(node: Node) -> list[str]:
    layer: Any = node.layer
    options = {
        "axis": layer.axis or None,
        "center": None if layer.center else "False",
        "scale": None if layer.scale else "False",
        "trainable": "False" if layer.frozen else None,
    }
    return [call("layers.BatchNormalization", **options)]


def _prelu(node: Node) -> list[str]:
    layer: Any = node.layer
    spatial = tuple(range(1, node.rank + 1))
    if layer.slopes == "channel" and node.rank:
        return [f"layers.PReLU(shared_axes={spatial})"]
    if layer.slopes == "one":
        return [f"layers.PReLU(shared_axes={(*spatial, node.rank + 1)})"]
    return ["layers.PReLU()"]


def _select(node: Node) -> list[str]:
    layer: Any = node.layer
    return [f"{{x}}[:, {layer.index}]"]


def _permute(node: Node) -> list[str]:
    layer: Any = node.layer
    return [f"layers.Permute({tuple(layer.order)})"]


def _upsample(node: Node) -> list[str]:
    sizes = tuple(int(a) // b for a, b in zip(node.step.output, node.spatial, strict=False))
    axes = _axes(node)
    size = sizes[0] if axes == 1 else sizes[:axes]
    return [f"layers.UpSampling{axes}D({size})"]


def _zeropad(node: Node) -> list[str]:
    _axes(node)
    return [_zero_padding(node.step.pad or ())]


def _activation(node: Node) -> list[str]:
    name = activation_of(node)
    return [f"layers.Activation({name})"] if name else ["{x}"]


def _position(node: Node) -> list[str]:
    layer: Any = node.layer
    return [f"Position({layer.length or node.step.input[0]})"]


def _embedding(node: Node) -> list[str]:
    layer: Any = node.layer
    return [call("layers.Embedding", *layer.table)]


def _dense(node: Node) -> list[str]:
    activation = activation_of(node)
    return [call("layers.Dense", node.step.units, activation=activation, use_bias=_bias(node))]


HANDLERS: dict[type[Layer], Maker] = {
    **dict.fromkeys((convolution.Conv, convolution.Depthwise, convolution.Separable), _conv),
    convolution.ConvTranspose: _transposed,
    pooling.Pool: _pool,
    pooling.AdaptivePool: _adaptive,
    pooling.GlobalPool: _global,
    dense.Dense: _dense,
    dense.Recurrent: _recurrent,
    dense.Patches: _patches,
    dense.Token: lambda _: ["Token()"],
    dense.Position: _position,
    dense.Attention: _attention,
    dense.Select: _select,
    sequence.Embedding: _embedding,
    reshaping.Flatten: lambda _: ["layers.Flatten()"],
    reshaping.Reshape: lambda node: [f"layers.Reshape({node.step.output})"],
    reshaping.Permute: _permute,
    reshaping.Upsample: _upsample,
    reshaping.ZeroPad: _zeropad,
    elementwise.Activation: _activation,
    elementwise.PReLU: _prelu,
    elementwise.GLU: lambda _: ["ops.glu({x}, axis=-1)"],
    elementwise.Dropout: lambda node: [f"layers.Dropout({node.step.rate:g})"],
    elementwise.BatchNorm: _batchnorm,
    elementwise.LayerNorm: lambda _: ["layers.LayerNormalization()"],
    elementwise.GroupNorm: lambda node: [f"layers.GroupNormalization({node.step.groups})"],
    elementwise.L2Norm: lambda _: ["L2Norm()"],
}
# Layers with the activation as an option; after the others it is a layer of its own.
WITH_ACTIVATION = (
    convolution.Conv, convolution.ConvTranspose, convolution.Depthwise, convolution.Separable, dense.Dense,
    elementwise.Activation,
)  # fmt: skip
