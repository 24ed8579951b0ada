"""A clip of any length to segments, and their answers to one, in ONNX: what `audio.segments.cut` does."""

from audiocnn_cli.audio.segments import SegmentConfig
from audiocnn_cli.models.frontend.builder import GraphBuilder

_INT64 = 7  # onnx.TensorProto.INT64


def segments(builder: GraphBuilder, waveform: str, config: SegmentConfig) -> str:
    """Clips (n, samples) to their segments, one clip after the other: (n * segments, length).

    A clip shorter than one segment is repeated to fill it; a rest of half a segment or more gives one more
    segment, which ends with the clip.
    """
    length, hop = builder.sizes(config.length), builder.sizes(config.hop)
    zero, one, two = builder.sizes(0), builder.sizes(1), builder.sizes(2)
    samples = builder.node("Gather", builder.node("Shape", waveform), one)
    filled = builder.node("Max", samples, length)
    # At least 1: ONNX Runtime may divide by the length of an empty clip, and take the process with it.
    repeats = builder.node(
        "Div",
        builder.node("Add", samples, builder.sizes(config.length - 1)),
        builder.node("Max", samples, one),
    )
    repeated = builder.node("Tile", waveform, builder.concat(one, repeats, axis=0))
    clip = builder.node("Slice", repeated, zero, filled, one)

    last = builder.node("Sub", filled, length)
    steps = builder.node("Div", last, hop)
    rest = builder.node("Sub", last, builder.node("Mul", steps, hop))
    is_long = builder.node("GreaterOrEqual", builder.node("Mul", rest, two), length)
    one_more = builder.node("Cast", is_long, attributes={"to": _INT64})
    count = builder.node("Add", builder.node("Add", steps, one), one_more)
    starts = builder.node("Min", builder.node("Mul", _range(builder, count), hop), last)
    positions = builder.node("Add", builder.node("Unsqueeze", starts, one), _range(builder, length))
    pieces = builder.node("Gather", clip, positions, attributes={"axis": 1})
    return builder.node("Reshape", pieces, builder.sizes(-1, config.length))


def pool(builder: GraphBuilder, probabilities: str, waveform: str, *, labels: int) -> str:
    """The answers for segments (n * segments, labels) to their mean for each clip: (n, labels)."""
    clips = builder.node("Gather", builder.node("Shape", waveform), builder.sizes(0))
    shape = builder.concat(clips, builder.sizes(-1, labels), axis=0)
    by_clip = builder.node("Reshape", probabilities, shape)
    return builder.reduce("ReduceMean", by_clip, axes=(1,), keep=False)


def _range(builder: GraphBuilder, count: str) -> str:
    """0 to count - 1, for a count of shape (1,)."""
    import numpy as np

    start, step = (builder.constant(np.array(number)) for number in (0, 1))
    return builder.node("Range", start, builder.node("Squeeze", count), step)
