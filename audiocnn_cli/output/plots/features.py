"""A feature tensor as a picture: the waveform above, the features below, on one axis of seconds."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.audio.decode import open_audio
from audiocnn_cli.audio.load import mono_blocks
from audiocnn_cli.extras import require_extra
from audiocnn_cli.features.config import Feature, FeatureConfig, Log
from audiocnn_cli.features.plan import columns, frequencies_hz
from audiocnn_cli.features.result import FeatureResult, Tensor
from audiocnn_cli.files import check_folder
from audiocnn_cli.output.plots.figure import check_picture, plain, save_picture
from audiocnn_cli.output.terminal.features import LINEAR_SPECTRA
from audiocnn_cli.output.terminal.heatmap import Envelope, shrink

_WIDEST = 2000
_IMAGE = {"origin": "lower", "aspect": "auto", "interpolation": "nearest", "cmap": "viridis"}
_PITCH_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_UNITS = {
    **dict.fromkeys((Feature.WAVEFORM, Feature.RMS), "amplitude"),
    **dict.fromkeys((Feature.CENTROID, Feature.BANDWIDTH, Feature.ROLLOFF), "Hz"),
    Feature.ZCR: "share of the frame",
    Feature.FLATNESS: "0 to 1",
    Feature.PCEN: "compressed ratio",
    Feature.CHROMA: "share of the largest",
    Feature.TONNETZ: "coordinate",
    Feature.CONTRAST: "dB",
}


class Pictures:
    """Where pictures go: one file, or a folder with one a recording."""

    def __init__(self, target: str, *, force: bool) -> None:
        """Check that there is a place for pictures and a library that draws them.

        Raises:
            MissingExtraError: matplotlib is not installed.
            UsageError: the ending of the file is of no picture.
            OutputError: the file can't be written.
        """
        require_extra("plot", "`plot`")
        self._path = Path(target)
        self._folder = target.endswith("/") or self._path.is_dir()
        self._force = force
        if self._folder:
            check_folder(self._path)
        else:
            check_picture(self._path, force=force)

    @property
    def of_one(self) -> str | None:
        """Why there may be one input only; None for a folder of pictures."""
        one = f"`plot={self._path}` is one picture; name a FOLDER/ for several inputs"
        return None if self._folder else one

    def draw(self, result: FeatureResult) -> None:
        """Draw one recording.

        Raises:
            OutputError: the picture can't be written.
        """
        path = self._path
        if self._folder:
            path = (path / result.source.name).with_suffix(".png")
        plot(result, path, force=self._force)


def plot(result: FeatureResult, path: Path, *, force: bool) -> None:
    """Draw `result` into `path`, PNG, SVG or PDF by its ending.

    Raises:
        OutputError: it can't be written.
    """
    os.environ.setdefault("MPLBACKEND", "agg")
    from matplotlib.figure import Figure

    configs = result.tensor.plan.configs
    waves = configs[0].feature is Feature.WAVEFORM
    heights = [1.0] if waves else [1.0] + [2.5 if each.base_bins > 1 else 1.2 for each in configs]
    figure = Figure(figsize=(11, 1.2 + 1.6 * sum(heights)), layout="constrained")
    grid = figure.subplots(len(heights), sharex=True, squeeze=False, height_ratios=heights)
    panels = grid[:, 0]
    _draw_waveform(panels[0], result)
    first = 0
    for axes, config in zip(panels[1:], configs, strict=False):
        image = _draw_feature(axes, result.tensor, config, slice(first, first + config.n_bins))
        if image is not None:
            figure.colorbar(image, ax=axes, label=_unit(config), pad=0.01)
        first += config.n_bins
    panels[-1].set_xlabel("time (s)")
    panels[0].set_title(plain(result.source.path), loc="left")
    save_picture(figure, path, force=force)


def _draw_waveform(axes: Any, result: FeatureResult) -> None:
    """The lowest and the highest sample of each of so many stretches of time."""
    plan = result.tensor.plan
    samples = int(result.tensor.duration_s * plan.config.sample_rate)
    envelope = Envelope(samples=samples, widest=_WIDEST)
    with open_audio(result.source) as reader:
        for block in mono_blocks(reader, sample_rate=plan.config.sample_rate, excerpt=plan.excerpt):
            envelope.push(block)
    low, high = envelope.lows_and_highs()
    times = plan.excerpt.offset_s + np.arange(len(low)) * envelope.stretch / plan.config.sample_rate
    if envelope.stretch == 1:
        axes.plot(times, low, linewidth=0.6)
    else:
        axes.fill_between(times, low, high, linewidth=0.3)
    axes.set_ylabel("amplitude")
    axes.margins(x=0)


def _draw_feature(axes: Any, tensor: Tensor, config: FeatureConfig, part: slice) -> Any:
    """The image, for a colour bar; None for a line."""
    segments = list(tensor.data if tensor.plan.segmentation else tensor.data[None])
    segments += [] if tensor.rest is None else [tensor.rest]
    seconds = config.hop_length / config.sample_rate
    pieces = [_two_axes(segment[:, part], config) for segment in segments]
    if config.feature is Feature.F0:
        return _draw_f0(axes, pieces, tensor.starts_s, seconds)
    axes.set_ylabel(config.feature)
    if config.n_bins == 1:
        for start, piece in zip(tensor.starts_s, pieces, strict=False):
            values = shrink(piece, width=_WIDEST, height=1)[:, 0]
            span = len(piece) * seconds
            axes.plot(start + np.linspace(0, span, len(values), endpoint=False), values, color="C0")
        axes.set_ylabel(f"{config.feature} ({_unit(config)})")
        return None
    low = min(float(piece.min()) for piece in pieces)
    high = max(float(piece.max()) for piece in pieces)
    image = None
    for start, piece in zip(tensor.starts_s, pieces, strict=False):
        # A frame is drawn around its time.
        begin = start - seconds / 2 if config.center else start
        pixels = shrink(piece, width=_WIDEST, height=piece.shape[1]).T
        extent = (begin, begin + len(piece) * seconds, *_top(config))
        image = axes.imshow(pixels, **_IMAGE, vmin=low, vmax=high, extent=extent)
    _label_bins(axes, config)
    axes.set_xlim(tensor.plan.excerpt.offset_s, tensor.plan.excerpt.offset_s + tensor.duration_s)
    return image


def _draw_f0(axes: Any, pieces: list[NDArray[np.float32]], starts_s: Sequence[float], seconds: float) -> None:
    """f0 as a line, with gaps where there is none, over octaves; voicing in grey, on its own axis."""
    voicing = axes.twinx()
    for start, piece in zip(starts_s, pieces, strict=False):
        times = start + np.arange(len(piece)) * seconds
        f0 = np.where(piece[:, 0] > 0, piece[:, 0], np.nan)
        axes.plot(times, f0, color="C0", marker=".", markersize=2, linewidth=0.8)
        voicing.plot(times, piece[:, 1], color="0.8", linewidth=0.8)
    axes.set_yscale("log", base=2)
    axes.yaxis.set_major_formatter("{x:.0f}")
    axes.set_ylabel("f0 (Hz)")
    axes.set_zorder(voicing.get_zorder() + 1)
    axes.patch.set_visible(False)
    for each in (axes, voicing):
        each.margins(x=0)
    voicing.set_ylim(0, 1)
    voicing.set_ylabel("voicing")


def _two_axes(data: NDArray[np.float32], config: FeatureConfig) -> NDArray[np.float32]:
    """(frames, bins) of numbers that a colour can show: the first channel, spectra in dB."""
    if config.feature is Feature.COMPLEX:
        data = np.hypot(data[..., 0], data[..., 1])
    elif data.ndim == 3:
        data = data[..., 0]
    if config.feature not in LINEAR_SPECTRA:
        return data
    factor = 20.0 if config.feature is not Feature.MEL and config.power != 2 else 10.0
    decibels = factor * np.log10(np.maximum(data, 1e-10))
    return np.asarray(np.maximum(decibels, decibels.max() - 80.0), dtype=np.float32)


def _top(config: FeatureConfig) -> tuple[float, float]:
    """The lower and upper end of the axis of bins."""
    if config.feature in (Feature.STFT, Feature.COMPLEX):
        half = config.sample_rate / config.n_fft / 2
        return -half, (config.n_frequencies - 1) * 2 * half + half
    return -0.5, config.n_bins - 0.5


def _label_bins(axes: Any, config: FeatureConfig) -> None:
    if config.feature in (Feature.STFT, Feature.COMPLEX):
        axes.set_ylabel("Hz")
        axes.set_ylim(0, config.sample_rate / 2)
        return
    frequencies = frequencies_hz([config])
    if frequencies is not None:
        places = np.unique(np.linspace(0, len(frequencies) - 1, 6).round().astype(int))
        axes.set_yticks(places, [f"{frequencies[place]:.0f}" for place in places])
        axes.set_ylabel("Hz (mel bands)")
    elif config.feature is Feature.CHROMA and config.n_bins == len(_PITCH_CLASSES):
        axes.set_yticks(range(len(_PITCH_CLASSES)), _PITCH_CLASSES, fontsize=7)
        axes.set_ylabel("pitch class")
    elif config.delta:
        names = columns([config])
        places = np.arange(0, len(names), max(1, config.base_bins))
        axes.set_yticks(places, [names[place] for place in places])
    else:
        axes.set_ylabel("coefficient" if config.feature is Feature.MFCC else config.feature)


def _unit(config: FeatureConfig) -> str:
    if config.feature in LINEAR_SPECTRA:
        return "dB"
    if config.feature in (Feature.LOGMEL, Feature.ONSET, Feature.MFCC):
        return "dB" if config.log is Log.DB else "neper"
    return _UNITS[config.feature]
