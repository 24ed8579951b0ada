"""Segments of samples to feature tensors in ONNX: what `features.extract` computes.

The DFT is two small matrix products, which every runtime and accelerator has. Measured for 130 frames of 2048
samples on one thread of ONNX Runtime 1.31: the operator STFT takes 11.5 ms, a convolution with the whole DFT
22 ms and 17 MB of weights, these 2.0 ms and 51 kB.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from audiocnn_cli.features.cepstrum import cepstral_basis
from audiocnn_cli.features.config import Dialect, Feature, FeatureConfig, Log
from audiocnn_cli.features.framing import PadMode
from audiocnn_cli.features.mel import mel_filters
from audiocnn_cli.features.spectrum import window

_FEATURES = (Feature.WAVEFORM, Feature.MEL, Feature.LOGMEL, Feature.MFCC)
# The lowest power: -100 dB (librosa, torchaudio), or the smallest step of float32 at 1 (Kaldi).
FLOORS = {Log.DB: 1e-10, Log.LN: 2.0**-23}
# The opset since which the axes of reductions are inputs; before they were attributes.
_REDUCTIONS_BY_INPUT = 18
_NOT_BUILT = ("remove_dc", "preemphasis", "use_energy", "delta")


class GraphBuilder:
    """Nodes in the order of their use, for the standard operators of version `opset`.

    Names of values start with `prefix`.
    """

    def __init__(self, *, opset: int, prefix: str = "frontend") -> None:
        self.opset = opset
        self.prefix = prefix
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def node(self, operator: str, *inputs: str, **attributes: object) -> str:
        """Add a node of one output, and give the output's name."""
        output = f"{self.prefix}/{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def constant(self, value: NDArray[Any]) -> str:
        """Add a constant, and give its name."""
        name = f"{self.prefix}/constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def sizes(self, *sizes: int) -> str:
        """A constant of shape (n,) and type int64: sizes, axes, positions."""
        return self.constant(np.array(sizes, dtype=np.int64))

    def matrix(self, values: NDArray[np.floating]) -> str:
        """A float32 constant of any shape."""
        return self.constant(values.astype(np.float32))

    def number(self, value: float) -> str:
        """A float32 constant without axes."""
        return self.constant(np.array(value, dtype=np.float32))

    def slice(self, value: str, *, axis: int, start: int, stop: int, step: int = 1) -> str:
        """The part of `value` from `start` to `stop` along one axis."""
        ranges = (self.sizes(number) for number in (start, stop, axis, step))
        return self.node("Slice", value, *ranges)

    def concat(self, *values: str, axis: int) -> str:
        """`values` one after the other along one axis."""
        return self.node("Concat", *values, axis=axis)

    def reduce(self, operator: str, value: str, *, axes: tuple[int, ...], keep: bool) -> str:
        """`ReduceMax` or `ReduceMean` over some axes, which stay with size 1 or go."""
        if self.opset < _REDUCTIONS_BY_INPUT:
            return self.node(operator, value, axes=axes, keepdims=int(keep))
        return self.node(operator, value, self.sizes(*axes), keepdims=int(keep))


def unsupported(config: FeatureConfig) -> Iterator[str]:
    """The settings of `config` that these operators don't compute."""
    if config.feature not in _FEATURES:
        yield f"feature {config.feature}"
    if config.like is Dialect.KALDI:
        yield f"like {config.like}"
    yield from (field for field in _NOT_BUILT if getattr(config, field))


def features(builder: GraphBuilder, segments: str, config: FeatureConfig, *, length: int) -> str:
    """Segments (n, length) to tensors (n, frames, bins), for a config without `unsupported` settings."""
    if config.feature is Feature.WAVEFORM:
        return builder.node("Unsqueeze", segments, builder.sizes(2))
    count = config.n_frames(length)
    framed = frames(builder, segments, config, length=length)
    mel = mel_spectrum(builder, framed, config, count=count)
    if config.feature is Feature.MEL:
        return mel
    levels = _levels(builder, mel, config)
    if config.feature is Feature.LOGMEL:
        return levels
    return builder.node("MatMul", levels, builder.matrix(cepstral_basis(config)))


def _levels(builder: GraphBuilder, power: str, config: FeatureConfig) -> str:
    """Powers (n, frames, bins) in dB or nepers, floored at `top_db` below the maximum of each segment."""
    audible = builder.node("Max", power, builder.number(FLOORS[config.log]))
    levels = builder.node("Log", audible)
    db_per_neper = 10 / math.log(10)
    if config.log is Log.DB:
        levels = builder.node("Mul", levels, builder.number(db_per_neper))
    if config.top_db is None:
        return levels
    depth = config.top_db if config.log is Log.DB else config.top_db / db_per_neper
    loudest = builder.reduce("ReduceMax", levels, axes=(1, 2), keep=True)
    return builder.node("Max", levels, builder.node("Sub", loudest, builder.number(depth)))


def frames(builder: GraphBuilder, samples: str, config: FeatureConfig, *, length: int) -> str:
    """Segments of shape (n, length) to weighted frames (n, frames, n_fft).

    The padded segment is reshaped to rows of hop_length samples; a frame is several rows side by side.
    """
    count, hop, n_fft = config.n_frames(length), config.hop_length, config.n_fft
    if config.center:
        samples = _pad(builder, samples, n_fft // 2, config.pad_mode)
        length += 2 * (n_fft // 2)
    rows_in_frame = math.ceil(n_fft / hop)
    needed = (count - 1 + rows_in_frame) * hop
    if needed > length:
        samples = builder.node("Pad", samples, builder.sizes(0, 0, 0, needed - length))
    elif needed < length:
        samples = builder.slice(samples, axis=1, start=0, stop=needed)
    rows = builder.node("Reshape", samples, builder.sizes(-1, needed // hop, hop))
    shifted = [builder.slice(rows, axis=1, start=i, stop=i + count) for i in range(rows_in_frame)]
    framed = builder.concat(*shifted, axis=2) if len(shifted) > 1 else shifted[0]
    if rows_in_frame * hop > n_fft:
        framed = builder.slice(framed, axis=2, start=0, stop=n_fft)
    return builder.node("Mul", framed, builder.matrix(window(config) * config.sample_scale))


def _pad(builder: GraphBuilder, samples: str, width: int, mode: PadMode) -> str:
    """`width` more samples on both sides of (n, length), as `numpy.pad` gives them."""
    if mode is not PadMode.SYMMETRIC:
        widths = builder.sizes(0, width, 0, width)
        return builder.node("Pad", samples, widths, mode=mode.value)
    # ONNX's Pad has no such mode: the first and last samples, turned around. The stops lie beyond the ends.
    before = builder.slice(samples, axis=1, start=width - 1, stop=-(1 << 31), step=-1)
    after = builder.slice(samples, axis=1, start=-1, stop=-width - 1, step=-1)
    return builder.concat(before, samples, after, axis=1)


def mel_spectrum(builder: GraphBuilder, framed: str, config: FeatureConfig, *, count: int) -> str:
    """Frames (n, count, n_fft) to |DFT|^2, or |DFT|, through the mel filters: (n, count, n_mels).

    With n_fft = a * b, sample b * i + j and frequency p + a * q: a DFT of size a over i, the twiddle factors
    of p * j / n_fft, a DFT of size b over j. The samples are real, so p up to a / 2 gives every frequency or
    its mirror image; the rows of the filters are in the order of these frequencies.
    Source: Cooley and Tukey, Mathematics of Computation 19(90), 1965.
    """
    n_fft = config.n_fft
    a = next(size for size in range(math.isqrt(n_fft - 1) + 1, n_fft + 1) if n_fft % size == 0)
    b = n_fft // a
    p, j = np.arange(a // 2 + 1), np.arange(b)
    over_i, over_j = _roots(p, np.arange(a), a), _roots(j, j, b)

    grid = builder.node("Reshape", framed, builder.sizes(-1, a, b))
    real = builder.node("MatMul", builder.matrix(over_i.real), grid)
    imaginary = builder.node("MatMul", builder.matrix(over_i.imag), grid)
    twiddled = _multiply(builder, real, imaginary, _roots(p, j, n_fft))
    spectrum = [
        builder.node("MatMul", twiddled, builder.matrix(np.concatenate(matrix)))
        for matrix in ((over_j.real, -over_j.imag), (over_j.imag, over_j.real))
    ]
    power = builder.node("Add", *(builder.node("Mul", part, part) for part in spectrum))
    values = builder.node("Sqrt", power) if config.power == 1 else power
    rows = builder.node("Reshape", values, builder.sizes(-1, count, len(p) * b))
    frequencies = p[:, None] + a * j[None, :]
    ordered = _in_order(mel_filters(config), np.minimum(frequencies, n_fft - frequencies).ravel())
    return builder.node("MatMul", rows, builder.constant(ordered))


def _roots(rows: NDArray[np.int_], columns: NDArray[np.int_], period: int) -> NDArray[np.complex128]:
    """exp(-2 pi i row column / period): a DFT matrix, or twiddle factors."""
    exponents = np.outer(rows, columns) % period
    return np.asarray(np.exp(-2j * np.pi * exponents / period))


def _multiply(builder: GraphBuilder, real: str, imaginary: str, by: NDArray[np.complex128]) -> str:
    """A complex product, element by element; real and imaginary parts side by side on the last axis."""
    cosines, sines = builder.matrix(by.real), builder.matrix(by.imag)
    cos_real, sin_real = (builder.node("Mul", real, factors) for factors in (cosines, sines))
    cos_imaginary, sin_imaginary = (builder.node("Mul", imaginary, factors) for factors in (cosines, sines))
    product_real = builder.node("Sub", cos_real, sin_imaginary)
    return builder.concat(product_real, builder.node("Add", sin_real, cos_imaginary), axis=2)


def _in_order(filters: NDArray[np.float32], frequencies: NDArray[np.int_]) -> NDArray[np.float32]:
    """The row of `filters` for the first occurrence of each frequency, zeros for the others."""
    ordered = np.zeros((len(frequencies), filters.shape[1]), dtype=np.float32)
    found, first = np.unique(frequencies, return_index=True)
    ordered[first] = filters[found]
    return ordered
