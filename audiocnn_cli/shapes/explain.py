"""Explain a layer in sentences with its own numbers: what it computes, and where its parameters come from."""

from collections.abc import Callable, Iterator
from math import prod

from audiocnn_cli.shapes.choices import Like
from audiocnn_cli.shapes.sizes import show_shape
from audiocnn_cli.shapes.step import Step

Axes = list[str]  # the names of the input's axes without the channels


def explain(step: Step, like: Like) -> tuple[str, ...]:
    """Sentences about `step`; `like` names the axes."""
    axes = [like.axis_name(axis) for axis in range(len(step.input) - 1)]
    lines = _EXPLAINERS.get(step.type, _other)(step, axes)
    return (*lines, *_activation(step), *_receptive_field(step))


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
    yield from _dilation(step)
    yield from _padding(step, axes)
    yield (
        f"Each kernel computes one output channel, so {kernels} {_verb(step.filters, 'give')}"
        f" {show_shape(step.output)}."
    )
    bias = "with a bias each" if step.params > weights * step.filters else "without bias"
    yield f"Parameters: {step.formula[-1]} ({kernels} of {weights} weights, {bias})."
    total = "" if step.macs is None else f", {step.macs:,} in total"
    yield f"Multiply-accumulates: {kernels} x {weights} weights at each output position{total}."


def _transposed(step: Step, axes: Axes) -> Iterator[str]:
    yield (
        f"Each of the {_positions(step, axes)} adds a kernel of {show_shape(step.kernel or ())}, scaled by"
        f" its value, to the output, {_stride(step)}; where kernels overlap, the products are summed."
    )
    for name, formula in zip(axes, step.formula[:-1], strict=False):
        yield (f"On the {name} axis (size - 1)*stride + kernel - padding + output padding: {formula}.")
    yield f"Parameters: {step.formula[-1]}."


def _pool(step: Step, axes: Axes) -> Iterator[str]:
    yield (
        f"A window of {show_shape(step.kernel or ())} slides over {_positions(step, axes)}, {_stride(step)},"
        f" and the output is the {_reduction(step)} of its {prod(step.kernel or ())} values."
    )
    yield from _dilation(step)
    yield from _padding(step, axes)
    yield (f"Each channel is pooled separately, so all {step.input[-1]} remain. A pooling has 0 parameters.")


def _global(step: Step, axes: Axes) -> Iterator[str]:
    yield (
        f"All {_positions(step, axes)} of a channel are reduced to their {_reduction(step)}:"
        f" {show_shape(step.output)}, for an input of any size."
    )


def _adaptive(step: Step, axes: Axes) -> Iterator[str]:
    yield (
        f"The {_positions(step, axes)} are divided into {show_shape(step.output[:-1])} windows, for an input"
        f" of any size; the output is the {_reduction(step)} of each."
    )


def _dense(step: Step, axes: Axes) -> Iterator[str]:
    yield (
        f"Each of {_count(step.units or 0, 'unit')} multiplies the {step.input[-1]} values of its input by"
        f" its own weights and sums the products: {show_shape(step.output)}."
    )
    if axes:
        yield f"The same weights are used at all {_positions(step, axes)}."
    yield f"Parameters: {step.formula[-1]}."


def _recurrent(step: Step, _axes: Axes) -> Iterator[str]:
    time, channels = step.input
    yield (
        f"One cell with one set of weights is applied to {time} time steps. At each step its inputs are the"
        f" {channels} values of the step and the {step.units} values of its own state:"
        " h_t = f(x_t W + h_(t-1) U + b)."
    )
    if step.type == "lstm":
        yield ("It has 4 such sums: the input, forget and output gates, and a candidate for the cell state.")
    if step.type == "gru":
        yield "It has 3 such sums: the update and reset gates, and a candidate for the state."
    if step.bidirectional:
        yield "A second cell runs backwards in time; the two outputs are concatenated."
    kept = "the output of every step" if step.return_sequences else "only the last step's output"
    yield f"The layer returns {kept}: {show_shape(step.output)}."
    yield f"Parameters: {step.formula[-1]}, for a sequence of any length."


def _flatten(step: Step, _axes: Axes) -> Iterator[str]:
    yield f"The {show_shape(step.input)} values become one axis: {step.formula[-1]}. No value changes."


def _dropout(step: Step, _axes: Axes) -> Iterator[str]:
    yield (
        f"In training each value is set to 0 with probability {step.rate:g} and the others are scaled up; in"
        " inference all values pass unchanged. The shape stays the same."
    )


def _batchnorm(step: Step, _axes: Axes) -> Iterator[str]:
    yield (
        f"Each of the {step.input[-1]} channels is normalised to mean 0 and variance 1, then scaled and"
        " shifted by two trained parameters. The running mean and variance are non-trainable parameters."
    )
    yield f"Parameters: {step.formula[-1]}."


def _attention(step: Step, _axes: Axes) -> Iterator[str]:
    length, channels = step.input
    yield (
        f"Each of {length} positions compares its query with the keys of all {length} and takes the mean of"
        f" their values, weighted by the result; {step.heads} heads do so in parallel, each on its share of"
        f" the {channels} channels."
    )
    yield f"Parameters: {step.formula[-1]}, for query, key, value and output."


def _merge(step: Step, _axes: Axes) -> Iterator[str]:
    how = {
        "add": "are added element by element (a residual connection where one is the block's input)",
        "multiply": "are multiplied element by element, so one scales the other (a gate)",
        "concat": "are concatenated",
        "sample": "are the mean and the log variance of a normal distribution that is sampled",
    }[step.type]
    yield f"The outputs of {' and '.join(step.sources)} {how}: {show_shape(step.output)}."


def _other(step: Step, _axes: Axes) -> Iterator[str]:
    if step.input == step.output:
        yield f"Each value is replaced at its position; the shape {show_shape(step.output)} stays the same."
    else:
        yield f"{show_shape(step.input)} becomes {show_shape(step.output)}."
    for line in step.formula:
        yield f"{line}."


_EXPLAINERS: dict[str, Callable[[Step, Axes], Iterator[str]]] = {
    **dict.fromkeys(("conv", "depthwise"), _conv),
    "convtranspose": _transposed,
    **dict.fromkeys(("maxpool", "avgpool"), _pool),
    **dict.fromkeys(("adaptiveavgpool", "adaptivemaxpool"), _adaptive),
    **dict.fromkeys(("globalavgpool", "globalmaxpool"), _global),
    "dense": _dense,
    **dict.fromkeys(("lstm", "gru", "rnn"), _recurrent),
    "flatten": _flatten,
    "dropout": _dropout,
    "batchnorm": _batchnorm,
    "attention": _attention,
    **dict.fromkeys(("add", "multiply", "concat", "sample"), _merge),
}

_ACTIVATIONS = {
    "relu": "relu sets negative values to 0",
    "softmax": "softmax turns the values into probabilities that sum to 1",
    "sigmoid": "sigmoid maps each value to between 0 and 1",
    "tanh": "tanh maps each value to between -1 and 1",
}


def _activation(step: Step) -> Iterator[str]:
    if step.activation and step.activation != step.type:
        effect = f"{step.activation} is applied to each value"
        yield f"Then {_ACTIVATIONS.get(step.activation, effect)}; the shape stays the same."
    elif step.activation in _ACTIVATIONS:
        yield f"The function {_ACTIVATIONS[step.activation]}."


def _padding(step: Step, axes: Axes) -> Iterator[str]:
    """The padding of each axis, and the formula of the output size with the numbers."""
    for name, (before, after), formula in zip(axes, step.pad or (), step.formula, strict=False):
        padding = (
            f"{step.padding} padding adds {before} before and {after} after"
            if before or after
            else "no padding"
        )
        yield f"On the {name} axis: {padding}; (size - window + padding)/stride + 1: {formula}."


def _dilation(step: Step) -> Iterator[str]:
    if step.dilation and max(step.dilation) > 1:
        yield (
            f"A dilation of {show_shape(step.dilation)} puts that distance between neighbouring weights, so"
            " the window spans more positions with the same number of weights."
        )


def _receptive_field(step: Step) -> Iterator[str]:
    if step.receptive_field and step.cumulative_stride:
        stride = " x ".join(f"{value:g}" for value in step.cumulative_stride)
        yield (
            f"Each output value has a receptive field of {show_shape(step.receptive_field)} positions of the"
            f" network's input; those of neighbours are {stride} apart (the cumulative stride)."
        )


def _positions(step: Step, axes: Axes) -> str:
    return f"{show_shape(step.input[:-1])} positions ({' x '.join(axes)})"


def _reduction(step: Step) -> str:
    return "maximum" if "max" in step.type else "mean"


def _stride(step: Step) -> str:
    stride = step.stride or (1,)
    return f"with a stride of {stride[0] if len(set(stride)) == 1 else show_shape(stride)}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _verb(number: int, verb: str) -> str:
    return f"{verb}s" if number == 1 else verb
