"""The modules and the expressions of PyTorch for each kind of layer.

Convolutions, poolings and batch norms take the channels first; the other layers take them last.
"""

from typing import Any

from audiocnn_cli.shapes.code.source import Node, call, one_or_all
from audiocnn_cli.shapes.code.torch_windows import (
    Maker,
    Parts,
    adaptive,
    axes_of,
    bias_of,
    conv,
    pad_line,
    pads_of,
    pool,
    refuse,
    transposed,
)
from audiocnn_cli.shapes.layers import convolution, dense, elementwise, pooling, reshaping, sequence
from audiocnn_cli.shapes.step import Layer

FUNCTIONS = {
    "relu": "F.relu({})", "relu6": "F.relu6({})", "leakyrelu": "F.leaky_relu({})", "elu": "F.elu({})",
    "selu": "F.selu({})", "gelu": "F.gelu({})", "silu": "F.silu({})", "hardswish": "F.hardswish({})",
    "hardsigmoid": "F.hardsigmoid({})", "sigmoid": "torch.sigmoid({})", "tanh": "torch.tanh({})",
    "softplus": "F.softplus({})", "mish": "F.mish({})", "softmax": "F.softmax({}, dim={c})",
    "logsoftmax": "F.log_softmax({}, dim={c})",
}  # fmt: skip


def _recurrent(node: Node) -> Parts:
    layer: Any = node.layer
    if isinstance(layer, dense.GRU) and not layer.reset_after:
        raise refuse(node, "PyTorch's GRU resets the state after its product (reset_after=yes)")
    both = "True" if layer.bidirectional else None
    kind, units = type(layer).__name__, layer.units
    module = call(
        f"nn.{kind}", node.channels, units, bias=bias_of(node), batch_first="True", bidirectional=both
    )
    last = "{x}[:, -1]"
    if layer.bidirectional:  # the backward direction ends at the first step
        last = f"torch.cat([{{x}}[:, -1, :{units}], {{x}}[:, 0, {units}:]], dim=-1)"
    return {"": module}, ["{m}({x})[0]", *([] if layer.return_sequences else [last])]


def _attention(node: Node) -> Parts:
    layer: Any = node.layer
    if layer.relative:
        raise refuse(node, "PyTorch has no attention with relative positions")
    module = call("nn.MultiheadAttention", node.channels, layer.heads, bias=bias_of(node), batch_first="True")
    length = node.step.input[0]
    mask = f", attn_mask=torch.ones({length}, {length}, dtype=torch.bool).triu(1)" if layer.causal else ""
    return {"": module}, [f"{{m}}({{x}}, {{x}}, {{x}}, need_weights=False{mask})[0]"]


def _patches(node: Node) -> Parts:
    kernel = one_or_all(node.step.kernel or ())
    module = call(
        f"nn.Conv{axes_of(node)}d",
        node.channels,
        node.step.filters,
        kernel,
        stride=kernel,
        bias=bias_of(node),
    )
    return {"": module}, ["{m}({x}).flatten(2).transpose(1, 2)"]


def _batchnorm(node: Node) -> Parts:
    layer: Any = node.layer
    if layer.scale is not layer.center:
        raise refuse(node, "PyTorch's batch norms have both a scale and a shift, or neither")
    if layer.axis not in {0, len(node.step.input)}:
        raise refuse(node, "PyTorch normalises the channels only; put a permute before and after it")
    affine = None if layer.scale else "False"
    module = call(f"nn.BatchNorm{max(1, axes_of(node))}d", node.channels, affine=affine)
    return {"": f"{module}.requires_grad_(False)" if layer.frozen else module}, ["{m}({x})"]


def _global(node: Node) -> Parts:
    layer: Any = node.layer
    function = "mean" if isinstance(layer, pooling.GlobalAvgPool) else "amax"
    dims = tuple(range(2, node.rank + 2))
    return {}, [f"{{x}}.{function}({dims}{', keepdim=True' if layer.keepdims else ''})"]


def _prelu(node: Node) -> Parts:
    layer: Any = node.layer
    if layer.slopes == "element":
        raise refuse(node, "PyTorch's PReLU has one slope, or one for each channel")
    return {"": call("nn.PReLU", *([node.channels] if layer.slopes == "channel" else []))}, ["{m}({x})"]


def _position(node: Node) -> Parts:
    layer: Any = node.layer
    length = node.step.input[0]
    rows = layer.length or length
    cut = "" if rows == length else f"[:, :{length}]"
    return {"": f"nn.Parameter(torch.zeros(1, {rows}, {node.channels}))"}, [f"{{x}} + {{m}}{cut}"]


def _token(node: Node) -> Parts:
    parameter = f"nn.Parameter(torch.zeros(1, 1, {node.channels}))"
    return {"": parameter}, ["torch.cat([{m}.expand({x}.shape[0], -1, -1), {x}], dim=1)"]


def _l2norm(node: Node) -> Parts:
    parameter = f"nn.Parameter(torch.ones({node.channels}, {', '.join('1' * node.rank)}))"
    return {"": parameter.replace(", )", ")")}, ["F.normalize({x}, dim=1) * {m}"]


def _reshape(node: Node) -> Parts:
    return {}, [f"{{x}}.reshape({{x}}.shape[0], {', '.join(map(str, node.step.output))})"]


def _permute(node: Node) -> Parts:
    layer: Any = node.layer
    return {}, [f"{{x}}.permute(0, {', '.join(map(str, layer.order))})"]


def _upsample(node: Node) -> Parts:
    axes = axes_of(node)
    sizes = tuple(int(a) // b for a, b in zip(node.step.output, node.spatial, strict=False))
    return {"": call("nn.Upsample", scale_factor=one_or_all(sizes[:axes]))}, ["{m}({x})"]


def _dense(node: Node) -> Parts:
    return {"": call("nn.Linear", node.channels, node.step.units, bias=bias_of(node))}, ["{m}({x})"]


def _embedding(node: Node) -> Parts:
    layer: Any = node.layer
    return {"": call("nn.Embedding", *layer.table)}, ["{m}({x})"]


def _groupnorm(node: Node) -> Parts:
    return {"": call("nn.GroupNorm", node.step.groups, node.channels)}, ["{m}({x})"]


def _dropout(node: Node) -> Parts:
    return {"": call("nn.Dropout", f"{node.step.rate:g}")}, ["{m}({x})"]


def _select(node: Node) -> Parts:
    layer: Any = node.layer
    return {}, [f"{{x}}[:, {layer.index}]"]


# The order of the axes that a layer takes: channels first, last, or either (None).
FIRST, LAST = "first", "last"
HANDLERS: dict[type[Layer], tuple[Maker, str | None]] = {
    **dict.fromkeys((convolution.Conv, convolution.Depthwise, convolution.Separable), (conv, FIRST)),
    convolution.ConvTranspose: (transposed, FIRST),
    pooling.Pool: (pool, FIRST),
    pooling.AdaptivePool: (adaptive, FIRST),
    pooling.GlobalPool: (_global, FIRST),
    dense.Dense: (_dense, LAST),
    dense.Recurrent: (_recurrent, LAST),
    dense.Patches: (_patches, FIRST),
    dense.Token: (_token, LAST),
    dense.Position: (_position, LAST),
    dense.Attention: (_attention, LAST),
    dense.Select: (_select, LAST),
    sequence.Embedding: (_embedding, LAST),
    reshaping.Flatten: (lambda _: ({}, ["{x}.flatten(1)"]), None),
    reshaping.Reshape: (_reshape, LAST),
    reshaping.Permute: (_permute, LAST),
    reshaping.Upsample: (_upsample, FIRST),
    reshaping.ZeroPad: (lambda node: ({}, [pad_line(pads_of(node))]), FIRST),
    elementwise.Activation: (lambda _: ({}, []), None),
    elementwise.PReLU: (_prelu, FIRST),
    elementwise.GLU: (lambda _: ({}, ["F.glu({x}, dim={c})"]), None),
    elementwise.Dropout: (_dropout, None),
    elementwise.BatchNorm: (_batchnorm, FIRST),
    elementwise.LayerNorm: (lambda node: ({"": call("nn.LayerNorm", node.channels)}, ["{m}({x})"]), LAST),
    elementwise.GroupNorm: (_groupnorm, FIRST),
    elementwise.L2Norm: (_l2norm, FIRST),
}
