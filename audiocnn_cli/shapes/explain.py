"""A layer in a few lines that a student follows: what slides, what is added, where the numbers come from."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod

from audiocnn_cli.shapes.like import Like
from audiocnn_cli.shapes.sizes import show_shape
from audiocnn_cli.shapes.step import Step


def explain(step: Step, like: Like) -> tuple[str, ...]:
    """What `step` does, in sentences with its own numbers in them."""
    lines = _EXPLAINERS.get(step.type, _other)(_Told(step, like))
    return (*lines, *_activation(step), *_sees(step))


@dataclass(frozen=True)
class _Told:
    """A step, and what its axes are called."""

    step: Step
    like: Like

    @property
    def axis_names(self) -> list[str]:
        return [self.like.axis_name(axis) for axis in range(len(self.step.input) - 1)]

    @property
    def axes(self) -> str:
        return " x ".join(self.axis_names)


def _conv(told: _Told) -> Iterator[str]:
    step = told.step
    if step.kernel is None or step.filters is None or step.groups is None:
        return
    channels = _known(step.input[-1])
    depth = channels // step.groups
    weights = prod(step.kernel) * depth
    size = show_shape(step.kernel)
    yield (
        f"{_count(step.filters, 'kernel')} of {size} {_verb(step.filters, 'slide')} over"
        f" {show_shape(step.input[:-1])} positions ({told.axes}), {_stride(step)} at a time."
    )
    if step.groups == 1:
        yield (
            f"Depth = channels: the input has {_count(channels, 'channel')}, so each kernel has as many"
            f" slices and {size} x {channels} = {weights} weights (an RGB image has 3 channels:"
            " 3 x 3 x 3 = 27). The products of all slices are added up into one number."
        )
    else:
        yield (
            f"The {channels} channels are shared out among {step.groups} groups that don't mix, so each"
            f" kernel sees {_count(depth, 'channel')}: {size} x {depth} = {weights} weights."
        )
    yield from _dilation(step)
    yield from _padding(told)
    yield (
        f"Each kernel draws one map, so {_count(step.filters, 'kernel')}"
        f" {_verb(step.filters, 'give')} {show_shape(step.output)}."
    )
    yield f"Parameters: {step.formula[-1]}" + (
        f" ({step.filters} kernels of {weights} weights, and a bias each)."
        if step.params > weights * step.filters
        else f" ({step.filters} kernels of {weights} weights, no bias)."
    )
    work = "" if step.macs is None else f", {step.macs:,} in all"
    yield f"Work: {step.filters} kernels x {weights} products at each position{work}."


def _transposed(told: _Told) -> Iterator[str]:
    step = told.step
    if step.kernel is None or step.stride is None:
        return
    yield (
        f"Each of the {show_shape(step.input[:-1])} positions ({told.axes}) spreads a kernel of"
        f" {show_shape(step.kernel)}, {show_shape(step.stride)} apart, and what overlaps is added up: a"
        " convolution run backwards."
    )
    for name, formula in zip(told.axis_names, step.formula[:-1], strict=False):
        yield (
            f"On the {name} axis (size - 1)*stride + kernel - padding + output padding: {formula}."
        )
    yield f"Parameters: {step.formula[-1]}."


def _pool(told: _Told) -> Iterator[str]:
    step = told.step
    if step.kernel is None:
        return
    keeps = "the largest" if step.type == "maxpool" else "the mean"
    yield (
        f"A window of {show_shape(step.kernel)} slides over {show_shape(step.input[:-1])} positions"
        f" ({told.axes}), {_stride(step)} at a time, and keeps {keeps} of its {prod(step.kernel)}"
        " numbers."
    )
    yield from _dilation(step)
    yield from _padding(told)
    yield (
        f"Every channel is pooled by itself, so all {step.input[-1]} stay. Nothing is trained: 0 parameters."
    )


def _global(told: _Told) -> Iterator[str]:
    step = told.step
    keeps = "maximum" if "max" in step.type else "mean"
    yield (
        f"All {show_shape(step.input[:-1])} positions ({told.axes}) of a channel become one number,"
        f" their {keeps}: {show_shape(step.output)}, whatever the size of the input was."
    )


def _adaptive(told: _Told) -> Iterator[str]:
    step = told.step
    keeps = "maximum" if "max" in step.type else "mean"
    yield (
        f"The {show_shape(step.input[:-1])} positions ({told.axes}) are shared out among"
        f" {show_shape(step.output[:-1])} windows, whatever the input's size; each keeps its {keeps}."
    )


def _dense(told: _Told) -> Iterator[str]:
    step = told.step
    inputs = step.input[-1]
    yield (
        f"Each of {_count(step.units or 0, 'unit')} has a weight for each of the {inputs} numbers before it,"
        f" and adds up the products: {show_shape(step.output)}."
    )
    if len(step.input) > 1:
        yield f"The same weights serve all {show_shape(step.input[:-1])} positions."
    yield f"Parameters: {step.formula[-1]}."


def _recurrent(told: _Told) -> Iterator[str]:
    step = told.step
    time, channels = step.input
    yield (
        f"One cell with one set of weights walks along {time} time steps. At each it sees the step's"
        f" {channels} numbers and the {step.units} of its own state: h_t = f(x_t W + h_(t-1) U + b)."
    )
    if step.type == "lstm":
        yield (
            "It has 4 such sums: the input, forget and output gates, and the candidate for its memory."
        )
    if step.type == "gru":
        yield "It has 3 such sums: the update and reset gates, and the candidate for its state."
    if step.bidirectional:
        yield "A second cell walks backwards; the two outputs stand side by side."
    kept = "every step's output" if step.return_sequences else "the last step's output only"
    yield f"It keeps {kept}: {show_shape(step.output)}."
    yield f"Parameters: {step.formula[-1]}, however long the sequence."


def _flatten(told: _Told) -> Iterator[str]:
    step = told.step
    yield (
        f"The {show_shape(step.input)} numbers are written in one row: {step.formula[-1]}. No number changes."
    )


def _dropout(told: _Told) -> Iterator[str]:
    step = told.step
    yield (
        f"In training each number is set to 0 with probability {step.rate:g} and the others are scaled up;"
        " afterwards all pass. The shape stays."
    )


def _batchnorm(told: _Told) -> Iterator[str]:
    step = told.step
    yield (
        f"Each of the {step.input[-1]} channels is brought to mean 0 and variance 1, then scaled and shifted"
        " by two trained numbers. The running mean and variance are kept, not trained."
    )
    yield f"Parameters: {step.formula[-1]}."


def _attention(told: _Told) -> Iterator[str]:
    step = told.step
    length, channels = step.input
    yield (
        f"Each of {length} positions asks all {length} what they hold (query times key), and takes a"
        f" weighted mean of their values; {step.heads} heads do so side by side on their share"
        f" of the {channels} channels."
    )
    yield f"Parameters: {step.formula[-1]}, for query, key, value and output."


def _merge(told: _Told) -> Iterator[str]:
    step = told.step
    names = " and ".join(step.sources)
    how = {
        "add": "are added element by element, so what came before is never lost (a residual connection)",
        "multiply": "are multiplied element by element, so one gates the other",
        "concat": "are put side by side",
        "sample": "are the mean and the log variance from which a normal sample is drawn",
    }[step.type]
    yield f"The outputs of {names} {how}: {show_shape(step.output)}."


def _other(told: _Told) -> Iterator[str]:
    step = told.step
    if step.input == step.output:
        yield f"Every number becomes another at its place; {show_shape(step.output)} stays."
    else:
        yield f"{show_shape(step.input)} becomes {show_shape(step.output)}."
    for line in step.formula:
        yield f"{line}."


_EXPLAINERS: dict[str, Callable[[_Told], Iterator[str]]] = {
    "conv": _conv,
    "depthwise": _conv,
    "convtranspose": _transposed,
    "maxpool": _pool,
    "avgpool": _pool,
    "adaptiveavgpool": _adaptive,
    "adaptivemaxpool": _adaptive,
    "globalavgpool": _global,
    "globalmaxpool": _global,
    "dense": _dense,
    "lstm": _recurrent,
    "gru": _recurrent,
    "rnn": _recurrent,
    "flatten": _flatten,
    "dropout": _dropout,
    "batchnorm": _batchnorm,
    "attention": _attention,
    "add": _merge,
    "multiply": _merge,
    "concat": _merge,
    "sample": _merge,
}

_CURVES = {
    "relu": "relu sets what is below 0 to 0",
    "softmax": "softmax turns the numbers into probabilities that add up to 1",
    "sigmoid": "sigmoid squeezes every number between 0 and 1",
    "tanh": "tanh squeezes every number between -1 and 1",
}


def _activation(step: Step) -> Iterator[str]:
    if step.activation:
        curve = _CURVES.get(step.activation, f"{step.activation} bends every number")
        yield f"Then {curve}; the shape stays."


def _padding(told: _Told) -> Iterator[str]:
    step = told.step
    """What is added around each axis, and the seed's formula with the numbers."""
    if step.pad is None:
        return
    for name, (before, after), formula in zip(
        told.axis_names, step.pad, step.formula, strict=False
    ):
        adds = (
            f"{step.padding} padding adds {before} before and {after} after"
            if before or after
            else "no padding, so the window stays inside"
        )
        yield f"On the {name} axis: {adds}; (size - window + padding)/stride + 1: {formula}."


def _dilation(step: Step) -> Iterator[str]:
    if step.dilation and max(step.dilation) > 1:
        yield (
            f"A dilation of {show_shape(step.dilation)} leaves gaps between the weights, so the window spans"
            " more with no more weights."
        )


def _sees(step: Step) -> Iterator[str]:
    if step.receptive_field and step.jump:
        yield (
            f"One number of the output sees {show_shape(step.receptive_field)} of the network's input; its"
            f" neighbours look {' x '.join(f'{j:g}' for j in step.jump)} further."
        )


def _stride(step: Step) -> str:
    stride = step.stride or (1,)
    if len(set(stride)) == 1:
        return _count(stride[0], "step")
    return f"{show_shape(stride)} steps"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _verb(number: int, verb: str) -> str:
    return f"{verb}s" if number == 1 else verb


def _known(size: int | str) -> int:
    return size if isinstance(size, int) else 0
