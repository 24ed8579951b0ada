"""The vocabulary of the layer grammar: the type names, and how the value of each option is parsed."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from audiocnn_cli.errors import UsageError
from audiocnn_cli.shapes.layers import convolution, dense, elementwise, pooling, reshaping
from audiocnn_cli.shapes.layers.elementwise import ACTIVATIONS
from audiocnn_cli.shapes.sizes import read_size, read_sizes
from audiocnn_cli.shapes.step import Layer
from audiocnn_cli.shapes.window import read_padding


class Word(Struct, frozen=True):
    """A type name: its class, the field that its argument sets, and the values of other fields."""

    layer: type[Layer]
    argument: str | None = None
    presets: Mapping[str, Any] = {}


# The layers by the field that the argument after their type sets.
_ARGUMENTS: dict[str | None, tuple[type[Layer], ...]] = {
    "filters": (convolution.Conv, convolution.ConvTranspose, dense.Patches),
    "multiplier": (convolution.Depthwise,),
    "kernel": (pooling.MaxPool, pooling.AvgPool),
    "size": (pooling.AdaptiveAvgPool, pooling.AdaptiveMaxPool, reshaping.Upsample),
    "units": (dense.Dense, dense.LSTM, dense.GRU, dense.RNN),
    "shape": (reshaping.Reshape,),
    "order": (reshaping.Permute,),
    "padding": (reshaping.ZeroPad,),
    "rate": (elementwise.Dropout,),
    "heads": (dense.Attention,),
    "index": (dense.Select,),
    "inputs": (elementwise.Add, elementwise.Multiply, elementwise.Sample, elementwise.Concat),
    None: (
        pooling.GlobalAvgPool, pooling.GlobalMaxPool, reshaping.Flatten, elementwise.BatchNorm,
        elementwise.LayerNorm, dense.Token, dense.Position,
    ),
}  # fmt: skip
WORDS: dict[str, Word] = {
    "pool": Word(pooling.MaxPool, "kernel"),
    **{kind.__name__.lower(): Word(kind, field) for field, kinds in _ARGUMENTS.items() for kind in kinds},
    **{f"conv{n}d": Word(convolution.Conv, "filters", {"axes": n}) for n in (1, 2)},
    **{f"convtranspose{n}d": Word(convolution.ConvTranspose, "filters", {"axes": n}) for n in (1, 2)},
    "maxpool1d": Word(pooling.MaxPool, "kernel", {"axes": 1}),
    "avgpool1d": Word(pooling.AvgPool, "kernel", {"axes": 1}),
    **{name: Word(elementwise.Activation, presets={"activation": name}) for name in ACTIVATIONS},
}

# Options of the grammar whose name differs from the field's.
ALIASES = {"from": "source", "pad": "padding", "sequences": "return_sequences", "dilations": "dilation"}
NEEDED = {"filters", "units", "shape", "heads", "inputs", "order"}
SWITCHES = {"bias", "ceil", "keepdims", "return_sequences", "bidirectional"}
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
    yes = text.lower() in {"", "yes", "true", "1"}
    if not yes and text.lower() not in {"no", "false", "0"}:
        raise UsageError(f"{text!r} is neither yes nor no")
    return yes


def _read_activation(text: str) -> str:
    if text not in ACTIVATIONS:
        raise UsageError(f"unknown activation {text!r}; one of {', '.join(ACTIVATIONS)}")
    return text


def _read_name(text: str) -> str:
    if not text or not text.isprintable():
        raise UsageError(f"{text!r} is not a name")
    return text


READERS: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("name", "source"), _read_name),
    "inputs": lambda text: tuple(map(_read_name, text.split("+"))),
    **dict.fromkeys(("filters", "units", "multiplier", "groups", "heads"), read_size),
    **dict.fromkeys(("index", "axis"), lambda text: read_size(text, least=0)),
    **dict.fromkeys(("kernel", "stride", "dilation", "size", "order"), read_sizes),
    "output_padding": lambda text: read_sizes(text, least=0),
    "shape": lambda text: read_sizes(text, least=-1),
    "padding": read_padding,
    "rate": _read_rate,
    "activation": _read_activation,
    **dict.fromkeys(SWITCHES, _read_switch),
}
