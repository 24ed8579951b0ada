"""The vocabulary of the layer grammar: the type names, and how the value of each option is parsed."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from audiocnn_cli.errors import UsageError
from audiocnn_cli.shapes.layers import convolution, dense, elementwise, pooling, reshaping, sequence
from audiocnn_cli.shapes.layers.elementwise import ACTIVATIONS
from audiocnn_cli.shapes.sizes import Sizes, read_size, read_sizes
from audiocnn_cli.shapes.spelling import activation_name
from audiocnn_cli.shapes.step import Layer
from audiocnn_cli.shapes.window import read_padding


class Word(Struct, frozen=True):
    """A type name: its class, the field that its argument sets, and the values of other fields."""

    layer: type[Layer]
    argument: str | None = None
    presets: Mapping[str, Any] = {}


# The layers by the field that the argument after their type sets.
_ARGUMENTS: dict[str | None, tuple[type[Layer], ...]] = {
    "filters": (convolution.Conv, convolution.ConvTranspose, convolution.Separable, dense.Patches),
    "multiplier": (convolution.Depthwise,),
    "kernel": (pooling.MaxPool, pooling.AvgPool),
    "size": (pooling.AdaptiveAvgPool, pooling.AdaptiveMaxPool, reshaping.Upsample, pooling.RoIAlign),
    "units": (dense.Dense, dense.LSTM, dense.GRU, dense.RNN, sequence.DiagonalLSTM),
    "table": (sequence.Embedding,),
    "groups": (elementwise.GroupNorm,),
    "slopes": (elementwise.PReLU,),
    "shape": (reshaping.Reshape,),
    "order": (reshaping.Permute,),
    "padding": (reshaping.ZeroPad,),
    "rate": (elementwise.Dropout,),
    "heads": (dense.Attention,),
    "index": (dense.Select,),
    "inputs": (elementwise.Add, elementwise.Multiply, elementwise.Sample, elementwise.Concat),
    None: (
        pooling.GlobalAvgPool, pooling.GlobalMaxPool, reshaping.Flatten, elementwise.BatchNorm,
        elementwise.LayerNorm, elementwise.L2Norm, elementwise.GLU, dense.Token, dense.Position,
    ),
}  # fmt: skip
_NAMED = [(kind, field) for field, kinds in _ARGUMENTS.items() for kind in kinds]
WORDS: dict[str, Word] = {
    "pool": Word(pooling.MaxPool, "kernel"),
    **{kind.__name__.lower(): Word(kind, field) for kind, field in _NAMED},
    **{
        f"{kind.__name__.lower()}{axes}d": Word(kind, field, {"axes": axes})
        for kind, field in _NAMED
        for axes in (1, 2, 3)
        if "axes" in kind.__struct_fields__
    },
    "identity": Word(elementwise.Activation, presets={"activation": "linear"}),
    **{
        name: Word(elementwise.Activation, presets={"activation": name})
        for name in ACTIVATIONS
        if name != "linear"  # PyTorch's Linear is a dense layer
    },
}

# Without those for a number of axes, for messages.
BASIC_WORDS = tuple(name for name, word in WORDS.items() if "axes" not in word.presets)
NEEDED = {"filters", "units", "shape", "heads", "inputs", "order", "table"}
SWITCHES = {
    "bias", "ceil", "keepdims", "return_sequences", "bidirectional", "causal", "relative", "frozen", "scale",
    "center", "reset_after",
}  # fmt: skip
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
    if (name := activation_name(text)) not in ACTIVATIONS:
        raise UsageError(f"unknown activation {text!r}; one of {', '.join(ACTIVATIONS)}")
    return name


def _read_slopes(text: str) -> str:
    if text not in elementwise.SLOPES:
        raise UsageError(f"{text!r} is none of {', '.join(elementwise.SLOPES)}")
    return text


def _read_table(text: str) -> Sizes:
    sizes = read_sizes(text)
    if len(sizes) != 2:
        raise UsageError(f"{text} is not VOCABULARYxDIMENSION, as in 10000x64")
    return sizes


def _read_name(text: str) -> str:
    if not text or not text.isprintable():
        raise UsageError(f"{text!r} is not a name")
    return text


READERS: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("name", "source", "weights"), _read_name),
    "table": _read_table,
    "slopes": _read_slopes,
    "inputs": lambda text: tuple(map(_read_name, text.split("+"))),
    **dict.fromkeys(("filters", "units", "multiplier", "groups", "heads", "length"), read_size),
    **dict.fromkeys(("index", "axis"), lambda text: read_size(text, least=0)),
    **dict.fromkeys(("kernel", "stride", "dilation", "size", "order"), read_sizes),
    "output_padding": lambda text: read_sizes(text, least=0),
    "shape": lambda text: read_sizes(text, least=-1),
    "padding": read_padding,
    "rate": _read_rate,
    "activation": _read_activation,
    **dict.fromkeys(SWITCHES, _read_switch),
}
