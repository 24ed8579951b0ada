"""The modules of PyTorch with a window: convolutions and poolings, which take the channels first."""

from collections.abc import Callable
from itertools import chain
from typing import Any, TypeAlias

from audiocnn_cli.shapes.choices import Framework
from audiocnn_cli.shapes.code.source import CodeError, Node, call, one_or_all
from audiocnn_cli.shapes.layers import convolution, pooling
from audiocnn_cli.shapes.sizes import Sizes
from audiocnn_cli.shapes.step import Pad

# For each layer the modules by a suffix of their name, and the lines with {x} for the input, {m} for the
# module and {c} for the dimension of the channels.
Parts: TypeAlias = tuple[dict[str, str], list[str]]
Maker: TypeAlias = Callable[[Node], Parts]


def refuse(node: Node, reason: str) -> CodeError:
    """The error for a layer that PyTorch does not have."""
    return CodeError(node.step, Framework.TORCH, reason)


def axes_of(node: Node) -> int:
    """The number of axes of the input without the channels; PyTorch has layers for up to 3."""
    if node.rank > 3:
        raise refuse(node, f"PyTorch has it for up to 3 spatial axes, not {node.rank}")
    return node.rank


def pads_of(node: Node) -> Pad:
    """The padding before and after each axis."""
    return node.step.pad or ((0, 0),) * node.rank


def _symmetric(pads: Pad) -> bool:
    return all(before == after for before, after in pads)


def pad_line(pads: Pad, value: str = "") -> str:
    """F.pad takes the last axis first."""
    amounts = tuple(chain.from_iterable(reversed(pads)))
    return f"F.pad({{x}}, {amounts}{value})"


def _window(node: Node, pads: Pad | None) -> tuple[dict[str, object], list[str]]:
    """The options of a convolution, and a line that pads where both sides differ."""
    step, lines = node.step, []
    options: dict[str, object] = {"stride": _unless(step.stride or (1,), 1)}
    if pads is not None and any(chain.from_iterable(pads)):
        if _symmetric(pads):
            options["padding"] = one_or_all(tuple(before for before, _ in pads))
        else:
            lines.append(pad_line(pads))
    return options | {"dilation": _unless(step.dilation or (1,), 1)}, lines


def _unless(sizes: Sizes, default: int) -> str | None:
    return None if set(sizes) == {default} else one_or_all(sizes)


def bias_of(node: Node) -> str | None:
    """The option of a layer without bias; None where it has one."""
    return None if getattr(node.layer, "bias", True) else "False"


def conv(node: Node) -> Parts:
    """A convolution; a separable one is two."""
    layer, step, axes = node.layer, node.step, axes_of(node)
    options, lines = _window(node, pads_of(node))
    name, kernel = f"nn.Conv{axes}d", one_or_all(step.kernel or ())
    if isinstance(layer, convolution.Separable):
        wide = node.channels * layer.multiplier
        first = call(name, node.channels, wide, kernel, **options, groups=node.channels, bias="False")
        second = call(name, wide, layer.filters, 1, bias=bias_of(node))
        return {"_depthwise": first, "_pointwise": second}, [
            *lines,
            "{m}_depthwise({x})",
            "{m}_pointwise({x})",
        ]
    groups = None if step.groups == 1 else step.groups
    module = call(name, node.channels, step.filters, kernel, **options, groups=groups, bias=bias_of(node))
    return {"": module}, [*lines, "{m}({x})"]


def transposed(node: Node) -> Parts:
    """A transposed convolution; a padding that differs on both sides is cut off its output."""
    layer: Any = node.layer
    step = node.step
    kernel, stride, dilation = step.kernel or (), step.stride or (), step.dilation or ()
    pads, output = pads_of(node), tuple(int(size) for size in step.output[:-1])
    spans = [
        (n - 1) * s + d * (k - 1) + 1
        for n, k, s, d in zip(node.spatial, kernel, stride, dilation, strict=True)
    ]
    extra = tuple(out - span + b + a for out, span, (b, a) in zip(output, spans, pads, strict=True))
    symmetric = _symmetric(pads)
    padding = tuple(before for before, _ in pads) if symmetric else (0,)
    module = call(
        f"nn.ConvTranspose{axes_of(node)}d",
        node.channels,
        layer.filters,
        one_or_all(kernel),
        stride=_unless(stride, 1),
        padding=_unless(padding, 0),
        output_padding=_unless(extra, 0),
        groups=None if layer.groups == 1 else layer.groups,
        bias=bias_of(node),
        dilation=_unless(dilation, 1),
    )
    if symmetric:
        return {"": module}, ["{m}({x})"]
    cut = ", ".join(f"{before}:{before + out}" for (before, _), out in zip(pads, output, strict=True))
    return {"": module}, ["{m}({x})", f"{{x}}[:, :, {cut}]"]


def pool(node: Node) -> Parts:
    """A pooling; a padding that PyTorch refuses is a line before it."""
    layer: Any = node.layer
    step, axes, pads = node.step, axes_of(node), pads_of(node)
    is_max = isinstance(layer, pooling.MaxPool)
    kernel, dilation = step.kernel or (), step.dilation or ()
    if not is_max and max(dilation) > 1:
        raise refuse(node, "PyTorch has no average pooling with a dilation")
    # PyTorch pads by at most half the window, and the mean of a volume needs one that fits without padding.
    most = [k // 2 for k in kernel]
    fits = is_max or axes < 3 or all(k <= n for k, n in zip(kernel, node.spatial, strict=True))
    padded = any(chain.from_iterable(pads))
    inside = (
        fits
        and _symmetric(pads)
        and all(before <= half for (before, _), half in zip(pads, most, strict=True))
    )
    if padded and not inside and layer.ceil:
        raise refuse(node, "PyTorch has no ceil mode with a padding that differs on both sides")
    options = {
        "stride": None if step.stride == kernel else one_or_all(step.stride or ()),
        "padding": one_or_all(tuple(before for before, _ in pads)) if padded and inside else None,
        "dilation": _unless(dilation, 1) if is_max else None,
        "ceil_mode": "True" if layer.ceil else None,
    }
    excluded = (
        padded and not is_max and not layer.padding.amounts
    )  # `same` leaves the padding out of the mean
    options["count_include_pad"] = "False" if excluded and inside else None
    module = call(f"nn.{'Max' if is_max else 'Avg'}Pool{axes}d", one_or_all(kernel), **options)
    if not padded or inside:
        return {"": module}, ["{m}({x})"]
    if excluded:
        ones = pad_line(pads).replace("{x}", "torch.ones_like({x})")
        return {"": module}, [f"{{m}}({pad_line(pads)}) / {{m}}({ones})"]
    value = ", value=-torch.inf" if is_max else ""
    return {"": module}, [pad_line(pads, value), "{m}({x})"]


def adaptive(node: Node) -> Parts:
    """A pooling to a given output size."""
    kind = "Avg" if isinstance(node.layer, pooling.AdaptiveAvgPool) else "Max"
    sizes = tuple(int(size) for size in node.step.output[:-1])
    return {"": call(f"nn.Adaptive{kind}Pool{axes_of(node)}d", one_or_all(sizes))}, ["{m}({x})"]
