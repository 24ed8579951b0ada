"""Explain a layer in sentences with its own numbers: what it computes, and where its parameters come from."""

from collections.abc import Callable, Iterator
from itertools import chain
from math import prod
from typing import TypeAlias

from audiocnn_cli.shapes.choices import Like
from audiocnn_cli.shapes.sizes import show_shape
from audiocnn_cli.shapes.step import Step

Axes: TypeAlias = list[str]  # the names of the input's axes without the channels
# A sentence with names from `explain` to fill in, or a function for what depends on the step.
Part: TypeAlias = str | Callable[[Step, Axes], Iterator[str]]


def explain(step: Step, like: Like) -> tuple[str, ...]:
    """Sentences about `step`; `like` names the axes."""
    axes = [like.axis_name(axis) for axis in range(len(step.input) - 1)]
    values = {
        "step": step,
        "input": show_shape(step.input),
        "output": show_shape(step.output),
        "size": show_shape(step.output[:-1]),
        "channels": (step.input or (1,))[-1],
        "length": (step.input or (1,))[0],
        "positions": _positions(step, axes),
        "kernel": show_shape(step.kernel or ()),
        "taps": prod(step.kernel or ()),
        "stride": _stride(step),
        "units": _count(step.units or 0, "unit"),
        "reduction": "maximum" if "max" in step.type else "mean",
        "formula": step.formula[-1] if step.formula else "",
        "sources": " and ".join(step.sources),
    }
    parts = (*_PARTS.get(step.type, (_other,)), _activation, _receptive_field)
    lines = ((part.format(**values),) if isinstance(part, str) else part(step, axes) for part in parts)
    return tuple(chain.from_iterable(lines))


def _conv(step: Step, axes: Axes) -> Iterator[str]:
    if step.kernel is None or step.filters is None or step.groups is None:
        return
    channels = step.input[-1] if isinstance(step.input[-1], int) else 0
    depth = channels // step.groups
    weights = prod(step.kernel) * depth
    size = show_shape(step.kernel)
    kernels = _count(step.filters, "kernel")
    slide = f"{_verb(step.filters, 'slide')} over {_positions(step, axes)}"
    yield f"{kernels} of {size} {slide}, {_stride(step)}."
    if step.groups == 1:
        yield (
            f"The input has {_count(channels, 'channel')}, so each kernel has a depth of {channels} and"
            f" {size} x {channels} = {weights} weights (for an RGB image 3 x 3 x 3 = 27). The products over"
            " all channels are summed to one value."
        )
    else:
        yield (
            f"The {channels} channels are divided into {step.groups} groups, and each kernel reads one group"
            f" of {_count(depth, 'channel')}: {size} x {depth} = {weights} weights."
        )
    yield from _dilation(step, axes)
    yield from _padding(step, axes)
    yield (
        f"Each kernel computes one output channel, so {kernels} {_verb(step.filters, 'give')}"
        f" {show_shape(step.output)}."
    )
    bias = "with a bias each" if step.params > weights * step.filters else "without bias"
    yield f"Parameters: {step.formula[-1]} ({kernels} of {weights} weights, {bias})."
    total = "" if step.macs is None else f", {step.macs:,} in total"
    yield f"Multiply-accumulates: {kernels} x {weights} weights at each output position{total}."


def _transposed_axes(step: Step, axes: Axes) -> Iterator[str]:
    for name, formula in zip(axes, step.formula[:-1], strict=False):
        yield f"On the {name} axis (size - 1)*stride + kernel - padding + output padding: {formula}."


def _shared(step: Step, axes: Axes) -> Iterator[str]:
    if axes:
        yield f"The same weights are used at all {_positions(step, axes)}."


def _recurrent(step: Step, _axes: Axes) -> Iterator[str]:
    if step.type in _GATES:
        yield _GATES[step.type]
    if step.bidirectional:
        yield "A second cell runs backwards in time; the two outputs are concatenated."
    kept = "the output of every step" if step.return_sequences else "only the last step's output"
    yield f"The layer returns {kept}: {show_shape(step.output)}."


def _other(step: Step, _axes: Axes) -> Iterator[str]:
    if step.input == step.output:
        yield f"Each value is replaced at its position; the shape {show_shape(step.output)} stays the same."
    else:
        yield f"{show_shape(step.input)} becomes {show_shape(step.output)}."
    for line in step.formula:
        yield f"{line}."


def _dilation(step: Step, _axes: Axes) -> Iterator[str]:
    if step.dilation and max(step.dilation) > 1:
        yield (
            f"A dilation of {show_shape(step.dilation)} puts that distance between neighbouring weights, so"
            " the window spans more positions with the same number of weights."
        )


def _padding(step: Step, axes: Axes) -> Iterator[str]:
    """The padding of each axis, and the formula of the output size with the numbers."""
    for name, (before, after), formula in zip(axes, step.pad or (), step.formula, strict=False):
        added = f"{step.padding} padding adds {before} before and {after} after"
        padding = added if before or after else "no padding"
        yield f"On the {name} axis: {padding}; (size - window + padding)/stride + 1: {formula}."


_POOL: tuple[Part, ...] = (
    "A window of {kernel} slides over {positions}, {stride}, and the output is the {reduction} of its {taps}"
    " values.",
    _dilation,
    _padding,
    "Each channel is pooled separately, so all {channels} remain. A pooling has 0 parameters.",
)
_CELL = (
    "One cell with one set of weights is applied to {length} time steps. At each step its inputs are the"
    " {channels} values of the step and the {step.units} values of its own state:"
    " h_t = f(x_t W + h_(t-1) U + b)."
)
_GATES = {
    "lstm": "It has 4 such sums: the input, forget and output gates, and a candidate for the cell state.",
    "gru": "It has 3 such sums: the update and reset gates, and a candidate for the state.",
}
_MERGES = {
    "add": "are added element by element (a residual connection where one is the block's input)",
    "multiply": "are multiplied element by element, so one scales the other (a gate)",
    "concat": "are concatenated",
    "sample": "are the mean and the log variance of a normal distribution that is sampled",
}
_PARTS: dict[str, tuple[Part, ...]] = {
    "conv": (_conv,),
    "depthwise": (_conv,),
    "convtranspose": (
        "Each of the {positions} adds a kernel of {kernel}, scaled by its value, to the output, {stride};"
        " where kernels overlap, the products are summed.",
        _transposed_axes,
        "Parameters: {formula}.",
    ),
    **dict.fromkeys(("maxpool", "avgpool"), _POOL),
    **dict.fromkeys(
        ("adaptiveavgpool", "adaptivemaxpool"),
        (
            "The {positions} are divided into {size} windows, for an input of any size; the output is the"
            " {reduction} of each.",
        ),
    ),
    **dict.fromkeys(
        ("globalavgpool", "globalmaxpool"),
        ("All {positions} of a channel become their {reduction}: {output}, for an input of any size.",),
    ),
    "dense": (
        "Each of {units} multiplies the {channels} values of its input by its own weights and sums the"
        " products: {output}.",
        _shared,
        "Parameters: {formula}.",
    ),
    **dict.fromkeys(
        ("lstm", "gru", "rnn"), (_CELL, _recurrent, "Parameters: {formula}, for a sequence of any length.")
    ),
    "separable": (
        "Each of the {channels} channels is convolved by itself with a window of {kernel}, {stride}, over"
        " {positions}; a 1x1 convolution then mixes the channels: {output}.",
        "Parameters: {formula}.",
    ),
    "embedding": (
        "Each of the numbers picks a row of a table: {input} becomes {output}.",
        "Parameters: {formula}, a vector for each number of the vocabulary.",
    ),
    "groupnorm": (
        "The {channels} channels are divided into {step.groups} groups, each normalised to mean 0, variance 1"
        " over its channels and positions, then scaled and shifted by two trained parameters a channel.",
        "Parameters: {formula}.",
    ),
    "glu": ("Half of the {channels} channels are multiplied by the sigmoid of the other half: {formula}.",),
    "prelu": (
        "Negative values are multiplied by a trained slope; the shape {output} stays the same.",
        "Parameters: {formula}.",
    ),
    "roialign": (
        "The features of one region of the image are sampled at {output} positions and channels; the layers"
        " after it are applied to each region.",
    ),
    "diagonallstm": (
        "Two cells move over {positions} along the diagonals, one from each side; at each position their"
        " inputs are the {channels} values of the position and the states of the neighbours before it.",
        "Parameters: {formula}.",
    ),
    "flatten": ("The {input} values become one axis: {formula}. No value changes.",),
    "dropout": (
        "In training each value is set to 0 with probability {step.rate:g} and the others are scaled up; in"
        " inference all values pass unchanged. The shape stays the same.",
    ),
    "batchnorm": (
        "Each of the {channels} channels is normalised to mean 0 and variance 1, then scaled and shifted by"
        " two trained parameters. The running mean and variance are non-trainable parameters.",
        "Parameters: {formula}.",
    ),
    "attention": (
        "Each of {length} positions compares its query with the keys of all {length} and takes the mean of"
        " their values, weighted by the result; {step.heads} heads do so in parallel, each on its share of"
        " the {channels} channels.",
        "Parameters: {formula}, for query, key, value and output.",
    ),
    **{kind: (f"The outputs of {{sources}} {what}: {{output}}.",) for kind, what in _MERGES.items()},
}

_ACTIVATIONS = {
    "relu": "relu sets negative values to 0",
    "softmax": "softmax turns the values into probabilities that sum to 1",
    "sigmoid": "sigmoid maps each value to between 0 and 1",
    "tanh": "tanh maps each value to between -1 and 1",
}


def _activation(step: Step, _axes: Axes) -> Iterator[str]:
    if step.activation and step.activation != step.type:
        effect = f"{step.activation} is applied to each value"
        yield f"Then {_ACTIVATIONS.get(step.activation, effect)}; the shape stays the same."
    elif step.activation in _ACTIVATIONS:
        yield f"The function {_ACTIVATIONS[step.activation]}."


def _receptive_field(step: Step, _axes: Axes) -> Iterator[str]:
    if step.gate_text:
        yield (
            f"Its receptive field is {step.gate_text}: a gate multiplies it by a number of the whole input."
            " What follows is that of the convolutions alone."
        )
    if step.receptive_field and step.cumulative_stride:
        stride = " x ".join(f"{value:g}" for value in step.cumulative_stride)
        yield (
            f"Each output value has a receptive field of {show_shape(step.receptive_field)} positions of the"
            f" network's input; those of neighbours are {stride} apart (the cumulative stride)."
        )


def _positions(step: Step, axes: Axes) -> str:
    return f"{show_shape(step.input[:-1])} positions ({' x '.join(axes)})"


def _stride(step: Step) -> str:
    stride = step.stride or (1,)
    return f"with a stride of {stride[0] if len(set(stride)) == 1 else show_shape(stride)}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _verb(number: int, verb: str) -> str:
    return f"{verb}s" if number == 1 else verb
