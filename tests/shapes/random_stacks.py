"""Stacks of random layers that can be built: a number gives always the same stack."""

from collections.abc import Callable
from random import Random

from audiocnn_cli.shapes.choices import Framework
from audiocnn_cli.shapes.grammar import read_layer
from audiocnn_cli.shapes.layers.elementwise import ACTIVATIONS
from audiocnn_cli.shapes.sizes import Sizes
from audiocnn_cli.shapes.step import ShapeError
from audiocnn_cli.shapes.trace import trace

# Stacks of most kinds of layers: the input and the layers.
STACKS = [
    ("130x13x1", "conv:32@3x3,relu pool:3/2,same conv:64@3x3 pool:2 flatten dense:64 dropout:0.1 dense:10"),
    ("100x40", "conv1d:8@5,causal,dilation=2 groupnorm:4 glu bilstm:7 dense:3,softmax"),
    ("100x40", "gru:7,sequences,bidirectional lstm:5 dense:1,sigmoid"),
    ("13x9x4", "convtranspose:6@2/3,same prelu:channel avgpool:3/2,same upsample:2x1 zeropad:0,1,2,0"),
    ("6x7x8x2", "conv3d:4@3,pad=1 batchnorm maxpool3d:2,ceil globalavgpool"),
    ("50", "embedding:30x12,name=e position,length=80 attention:3,causal select:0 dense:30,nobias,weights=e"),
    ("16x16x8", "conv:8@3,pad=1,name=a globalavgpool,keepdims dense:8 multiply:a conv:8@3,pad=1,weights=a"),
    ("16x16x8", "conv:8@3,name=a globalavgpool dense:8 multiply:a concat:a separable:5@3,multiplier=2"),
    ("9x9x2", "conv:2@3,same,name=forward relu,name=A add:forward,name=a conv:2@1,name=if add:A add:a"),
    ("9x9x2", "separable:2@3,name=b conv:2@1,name=b_depthwise add:b,name=net relu add:net"),
    ("9", "embedding:5x3,name=\N{GREEK SMALL LETTER MU} select:0,name=1 dense:3,name=1_layer add:1"),
    ("32x32x3", "patches:24@8 token position layernorm attention:4 flatten dense:2,name=mean sample:mean"),
]  # fmt: skip
_LARGEST_OUTPUT = 40_000
_ATTEMPTS = 12
_PADDINGS = (
    "", ",same", ",valid", ",pad=1", ",pad=2", ",causal", ",same-lower", ",pad=each", ",pad=sides",
)  # fmt: skip
Maker = Callable[[Random, Sizes], str]


def _one_or_each(random: Random, rank: int, low: int, high: int) -> str:
    count = random.choice((1, rank))
    return "x".join(str(random.randint(low, high)) for _ in range(count))


def _padding(random: Random, rank: int) -> str:
    kind = random.choice(_PADDINGS)
    if kind == ",pad=each":
        return ",pad=" + "x".join(str(random.randint(0, 3)) for _ in range(rank))
    if kind == ",pad=sides":
        return ",pad=" + ",".join(str(random.randint(0, 3)) for _ in range(2 * rank))
    return kind


def _maybe(random: Random, *texts: str) -> str:
    return random.choice(("", "", *texts))


def _activation(random: Random) -> str:
    return _maybe(random, "," + random.choice(ACTIVATIONS))


def _conv(random: Random, shape: Sizes) -> str:
    rank, channels = len(shape) - 1, shape[-1]
    groups = random.choice([g for g in range(1, 5) if channels % g == 0])
    window = f"@{_one_or_each(random, rank, 1, 4)}/{_one_or_each(random, rank, 1, 3)}{_padding(random, rank)}"
    more = (
        _maybe(random, f",dilation={random.randint(2, 3)}") + _maybe(random, ",nobias") + _activation(random)
    )
    kind = random.choice(("conv", "conv", "depthwise", "separable", "convtranspose"))
    if kind == "depthwise":
        return f"depthwise:{random.randint(1, 3)}{window}{more}"
    extra = _maybe(random, ",output_padding=1") if kind == "convtranspose" else ""
    grouped = f",groups={groups}" if groups > 1 and kind != "separable" else ""
    return f"{kind}:{groups * random.randint(1, 4)}{window}{more}{grouped}{extra}"


def _pool(random: Random, shape: Sizes) -> str:
    rank = len(shape) - 1
    stride = _maybe(random, f"/{_one_or_each(random, rank, 1, 3)}")
    more = _maybe(random, ",ceil", ",dilation=2")
    kind = random.choice(("maxpool", "avgpool"))
    return f"{kind}:{_one_or_each(random, rank, 1, 4)}{stride}{_padding(random, rank)}{more}"


def _recurrent(random: Random, _shape: Sizes) -> str:
    kind = random.choice(("lstm", "gru", "rnn"))
    return f"{kind}:{random.randint(1, 6)}" + "".join(
        _maybe(random, text) for text in (",sequences", ",bidirectional", ",nobias")
    )


def _spatial(random: Random, shape: Sizes) -> str:
    rank = len(shape) - 1
    return random.choice(
        (
            f"upsample:{_one_or_each(random, rank, 1, 2)}",
            "zeropad:" + ",".join(str(random.randint(0, 2)) for _ in range(2 * rank)),
            "globalavgpool", "globalmaxpool,keepdims", "globalavgpool,keepdims", "globalmaxpool",
            f"adaptiveavgpool:{_one_or_each(random, rank, 1, 3)}",
            f"adaptivemaxpool:{_one_or_each(random, rank, 1, 3)}",
            "permute:" + "x".join(map(str, random.sample(range(1, rank + 2), rank + 1))),
        )
    )  # fmt: skip


def _anywhere(random: Random, shape: Sizes) -> str:
    channels = shape[-1]
    divisors = [g for g in range(1, channels + 1) if channels % g == 0]
    return random.choice(
        (
            f"dense:{random.randint(1, 9)}{_activation(random)}{_maybe(random, ',nobias')}",
            "batchnorm" + _maybe(random, ",relu", ",frozen"), "layernorm", "flatten", "dropout:0.25",
            random.choice(ACTIVATIONS).replace("linear", "identity"),
            f"groupnorm:{random.choice(divisors)}", "reshape:-1",
            f"reshape:-1x{channels}", "glu", "prelu:one", "prelu:channel",
            f"multiply:{_SKIP}", f"add:{_SKIP}", f"concat:{_SKIP}", f"concat:{_SKIP},axis=1", "l2norm",
        )
    )  # fmt: skip


def _sequence(random: Random, shape: Sizes) -> str:
    heads = [h for h in range(1, 4) if shape[-1] % h == 0]
    return random.choice(
        (
            f"attention:{random.choice(heads)}{_maybe(random, ',causal', ',nobias')}", "position", "token",
            "select:0", "position,length=100",
        )
    )  # fmt: skip


_SKIP = "skip"


def random_stack(number: int, framework: Framework) -> tuple[Sizes, list[str]]:
    """The input shape and the layers of the stack of that number; one layer of it may be read twice."""
    random = Random(number)  # noqa: S311 (test data)
    rank = random.choice((1, 1, 2, 2, 2, 3))
    shape: Sizes = (*(random.randint(3, 14) for _ in range(rank)), random.choice((1, 2, 3, 4, 6)))
    texts: list[str] = []
    current, skip = shape, False
    length = random.randint(1, 7)
    for _ in range(_ATTEMPTS):
        if len(texts) == length:
            break
        makers: list[Maker] = [_anywhere]
        if len(current) > 1:
            makers += [_conv, _conv, _pool, _spatial]
        if len(current) == 2:
            makers += [_recurrent, _sequence]
        text = random.choice(makers)(random, current)
        if _SKIP in text and not skip:
            continue
        named = f"{text},name={_SKIP}" if not skip and _SKIP not in text and random.random() < 0.3 else text
        try:
            found = trace([read_layer(each) for each in (*texts, named)], shape, framework=framework)
        except ShapeError:
            continue
        step = found.steps[-1]
        if any(int(size) > _LARGEST_OUTPUT for size in step.output) or step.params > _LARGEST_OUTPUT:
            continue
        skip = skip or named != text
        texts.append(named)
        current = tuple(int(size) for size in step.output)
    return shape, texts or ["relu"]
