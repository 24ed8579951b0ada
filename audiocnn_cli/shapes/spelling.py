"""How Keras and PyTorch write layers: their names for layers and options, tuples and quotes.

`Conv2d`, `MaxPooling2D`, `kernel_size=(3, 3)` and `padding='same'` are the layer grammar in other words.
"""

import re

from audiocnn_cli.errors import UsageError

# Names of layers without case, hyphen and underscore. Those ending in 1d, 2d or 3d are listed for any number.
_LAYERS = {
    "convolution": "conv",
    "convtransposed": "convtranspose", "transposedconv": "convtranspose", "deconv": "convtranspose",
    "depthwiseconv": "depthwise", "separableconv": "separable",
    "maxpooling": "maxpool", "averagepooling": "avgpool", "averagepool": "avgpool",
    "globalaveragepooling": "globalavgpool", "globalaveragepool": "globalavgpool",
    "globalavgpooling": "globalavgpool", "globalmaxpooling": "globalmaxpool",
    "adaptiveaveragepooling": "adaptiveavgpool", "adaptivemaxpooling": "adaptivemaxpool",
    "zeropadding": "zeropad", "upsampling": "upsample",
    "linear": "dense", "fc": "dense", "fullyconnected": "dense",
    "simplernn": "rnn", "bilstm": "lstm", "bigru": "gru",
    "batchnormalization": "batchnorm", "bn": "batchnorm", "layernormalization": "layernorm",
    "groupnormalization": "groupnorm", "spatialdropout": "dropout",
    "multiheadattention": "attention", "concatenate": "concat", "swish": "silu",
}  # fmt: skip
# Layers that have the same name for any number of axes.
_ANY_AXES = {"batchnorm", "dropout", "zeropad"}
_BIDIRECTIONAL = {"bilstm", "bigru"}
OPTIONS = {
    "from": "source", "pad": "padding", "sequences": "return_sequences", "dilations": "dilation",
    "kernel_size": "kernel", "pool_size": "kernel", "strides": "stride", "dilation_rate": "dilation",
    "out_channels": "filters", "use_bias": "bias", "ceil_mode": "ceil", "hidden_size": "units",
    "out_features": "units", "depth_multiplier": "multiplier", "num_heads": "heads", "num_groups": "groups",
    "output_size": "size", "scale_factor": "size", "target_shape": "shape", "dims": "order", "p": "rate",
}  # fmt: skip
_SET_BY_INPUT = {
    **dict.fromkeys(
        ("in_channels", "in_features", "input_size", "input_shape", "num_features", "input_dim"),
        "is that of the layer's input; leave it out",
    ),
    "batch_first": "is no matter of shapes here: the input is (time, channels); leave it out",
    "num_layers": "is a number of layers: write the layer as often, all but the last with sequences",
    "data_format": "is channels_last here; leave it out",
    "return_state": "is no output that the next layer reads; leave it out",
}
_ACTIVATIONS = {"swish": "silu", "identity": "linear"}
_QUOTED = re.compile(r"\s*(['\"])(.*)\1\s*", re.DOTALL)


def squeeze(name: str) -> str:
    """`name` in lower case, without the module before it, hyphens and underscores: nn.Conv2d is conv2d."""
    return name.strip().rpartition(".")[2].lower().replace("_", "").replace("-", "")


def layer_name(name: str) -> str:
    """The name in the vocabulary that a framework's `name` stands for; squeezed where it is none of them."""
    plain = squeeze(name)
    found = re.fullmatch(r"(.*?)([123]d)(transposed?)?", plain)
    if found is None:
        return _LAYERS.get(plain, plain)
    base, axes, transposed = found[1] + (found[3] or "").removesuffix("d"), found[2], found[3]
    base = "maxpool" if base == "pool" else _LAYERS.get(base, base)
    return base if base in _ANY_AXES and not transposed else base + axes


def is_bidirectional(name: str) -> bool:
    """Whether the layer of that name runs in both directions: BiLSTM."""
    return squeeze(name) in _BIDIRECTIONAL


def option_name(name: str) -> str:
    """The field that an option sets.

    Raises:
        UsageError: the option is set by something else, such as `in_channels` by the input.
    """
    plain = name.strip().lower()
    if plain in _SET_BY_INPUT:
        raise UsageError(f"{plain} {_SET_BY_INPUT[plain]}")
    return OPTIONS.get(plain, plain)


def activation_name(name: str) -> str:
    """An activation without case, hyphen, underscore and module; none is linear."""
    plain = squeeze(name)
    return "linear" if plain == "none" else _ACTIVATIONS.get(plain, plain)


def unquote(value: str) -> str:
    """`value` without quotes around it."""
    quoted = _QUOTED.fullmatch(value)
    return quoted[2] if quoted else value.strip()


def plain_value(value: str, *, padding: bool = False) -> str:
    """A value without quotes, and a tuple in the layer grammar: (3, 3) is 3x3.

    As `padding`, (1, 2) is 1x2, and ((1, 1), (2, 2)) is 1,1,2,2.

    Raises:
        UsageError: brackets don't match, or four numbers in one bracket are a padding.
    """
    value = unquote(value)
    if value[:1] not in {"(", "["}:
        return value
    parts = re.sub(r"\s", "", value).replace("[", "(").replace("]", ")")
    nested = bool(re.fullmatch(r"\((\(\d+,\d+\),?)+\)", parts))
    if not nested and not re.fullmatch(r"\((-?\w+,)*(-?\w+)?\)", parts):
        raise UsageError(f"{value!r} is neither a number nor a tuple of numbers")
    numbers = [part for part in re.sub(r"[()]", "", parts).split(",") if part]
    if padding and not nested and len(numbers) > 3 and len(set(numbers)) == 1:
        return numbers[0]
    if padding and not nested and len(numbers) > 3:
        raise UsageError(
            f"{value!r} is in the order top, bottom, left, right in ONNX, and left, right, top, bottom in"
            " PyTorch; give them in the first order without brackets"
        )
    return ("," if nested else "x").join(numbers)


def split_options(text: str) -> list[tuple[str, int]]:
    """The parts of `text` between commas outside brackets and quotes, and where each begins.

    Where brackets or quotes don't match every comma divides.
    """
    parts, start, depth, quote = [], 0, 0, ""
    for at, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "([":
            depth += 1
        elif character in ")]":
            depth -= 1
        elif character == "," and depth <= 0:
            parts.append((text[start:at], start))
            start = at + 1
    if quote or depth:
        return [(match[0], match.start()) for match in re.finditer(r"(?<=,)[^,]*|^[^,]*", text)]
    return [*parts, (text[start:], start)]
