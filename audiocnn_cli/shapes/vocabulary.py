"""The vocabulary of the layer grammar: the type names, and how the value of each option is parsed."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from audiocnn_cli.errors import UsageError
from audiocnn_cli.shapes.layers.convolution import Conv, ConvTranspose, Depthwise
from audiocnn_cli.shapes.layers.dense import (
    GRU,
    LSTM,
    RNN,
    Attention,
    Dense,
    Patches,
    Position,
    Select,
    Token,
)
from audiocnn_cli.shapes.layers.elementwise import (
    ACTIVATIONS,
    Activation,
    Add,
    BatchNorm,
    Concat,
    Dropout,
    LayerNorm,
    Multiply,
    Sample,
)
from audiocnn_cli.shapes.layers.pooling import (
    AdaptiveAvgPool,
    AdaptiveMaxPool,
    AvgPool,
    GlobalAvgPool,
    GlobalMaxPool,
    MaxPool,
)
from audiocnn_cli.shapes.layers.reshaping import Flatten, Permute, Reshape, Upsample, ZeroPad
from audiocnn_cli.shapes.sizes import read_size, read_sizes
from audiocnn_cli.shapes.step import Layer
from audiocnn_cli.shapes.window import read_padding


class Word(Struct, frozen=True):
    """A type name: its class, the field that its argument sets, and the values of other fields."""

    layer: type[Layer]
    argument: str | None = None
    presets: Mapping[str, Any] = {}


WORDS: dict[str, Word] = {
    "conv": Word(Conv, "filters"),
    "conv1d": Word(Conv, "filters", {"axes": 1}),
    "conv2d": Word(Conv, "filters", {"axes": 2}),
    "depthwise": Word(Depthwise, "multiplier"),
    "convtranspose": Word(ConvTranspose, "filters"),
    "convtranspose1d": Word(ConvTranspose, "filters", {"axes": 1}),
    "convtranspose2d": Word(ConvTranspose, "filters", {"axes": 2}),
    "pool": Word(MaxPool, "kernel"),
    "maxpool": Word(MaxPool, "kernel"),
    "maxpool1d": Word(MaxPool, "kernel", {"axes": 1}),
    "avgpool": Word(AvgPool, "kernel"),
    "avgpool1d": Word(AvgPool, "kernel", {"axes": 1}),
    "adaptiveavgpool": Word(AdaptiveAvgPool, "size"),
    "adaptivemaxpool": Word(AdaptiveMaxPool, "size"),
    "globalavgpool": Word(GlobalAvgPool),
    "globalmaxpool": Word(GlobalMaxPool),
    "dense": Word(Dense, "units"),
    "lstm": Word(LSTM, "units"),
    "gru": Word(GRU, "units"),
    "rnn": Word(RNN, "units"),
    "flatten": Word(Flatten),
    "reshape": Word(Reshape, "shape"),
    "permute": Word(Permute, "order"),
    "upsample": Word(Upsample, "size"),
    "zeropad": Word(ZeroPad, "padding"),
    "dropout": Word(Dropout, "rate"),
    "batchnorm": Word(BatchNorm),
    "layernorm": Word(LayerNorm),
    "patches": Word(Patches, "filters"),
    "token": Word(Token),
    "position": Word(Position),
    "attention": Word(Attention, "heads"),
    "select": Word(Select, "index"),
    "add": Word(Add, "inputs"),
    "multiply": Word(Multiply, "inputs"),
    "sample": Word(Sample, "inputs"),
    "concat": Word(Concat, "inputs"),
    **{name: Word(Activation, presets={"activation": name}) for name in ACTIVATIONS},
}

# Options of the grammar whose name differs from the field's.
ALIASES = {
    "from": "source",
    "pad": "padding",
    "sequences": "return_sequences",
    "dilations": "dilation",
}
NEEDED = {"filters", "units", "shape", "heads", "inputs", "order"}
ALWAYS_SHOWN = NEEDED | {"kernel"}


def _read_rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        raise UsageError(f"{text!r} is not a number") from None
    if not 0 <= rate < 1:
        raise UsageError(f"a rate must be from 0 to below 1, not {text}")
    return rate


def _read_switch(text: str) -> bool:
    if text.lower() not in {"", "yes", "true", "1", "no", "false", "0"}:
        raise UsageError(f"{text!r} is neither yes nor no")
    return text.lower() in {"", "yes", "true", "1"}


def _read_activation(text: str) -> str:
    if text not in ACTIVATIONS:
        raise UsageError(f"unknown activation {text!r}; one of {', '.join(ACTIVATIONS)}")
    return text


def _read_name(text: str) -> str:
    if not text or not text.isprintable():
        raise UsageError(f"{text!r} is not a name")
    return text


READERS: dict[str, Callable[[str], Any]] = {
    "name": _read_name,
    "source": _read_name,
    "filters": read_size,
    "units": read_size,
    "multiplier": read_size,
    "groups": read_size,
    "kernel": read_sizes,
    "stride": read_sizes,
    "dilation": read_sizes,
    "size": read_sizes,
    "output_padding": lambda text: read_sizes(text, least=0),
    "shape": lambda text: read_sizes(text, least=-1),
    "padding": read_padding,
    "heads": read_size,
    "index": lambda text: read_size(text, least=0),
    "axis": lambda text: read_size(text, least=0),
    "order": read_sizes,
    "inputs": lambda text: tuple(map(_read_name, text.split("+"))),
    "rate": _read_rate,
    "activation": _read_activation,
    "bias": _read_switch,
    "ceil": _read_switch,
    "keepdims": _read_switch,
    "return_sequences": _read_switch,
    "bidirectional": _read_switch,
}
