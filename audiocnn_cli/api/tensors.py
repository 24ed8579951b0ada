"""Feature tensors for Python."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.api.shared import notebook_html, source_of
from audiocnn_cli.features.plan import frequencies_hz
from audiocnn_cli.features.result import FeatureResult, extract_source
from audiocnn_cli.features.settings import plan_from, typed_settings

if TYPE_CHECKING:
    import pandas as pd


class Default(Enum):
    """The value of a parameter that was not given, where None has a meaning of its own."""

    OF_LIKE = "the default of `like`"


def features(
    source: Any,
    *,
    sample_rate: int | None = None,
    feature: str | Sequence[str] = "mfcc",
    like: str = "librosa",
    n_fft: int | None = None,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: str | None = None,
    center: bool | None = None,
    pad_mode: str | None = None,
    frames_exact: bool | None = None,
    sample_scale: float | None = None,
    remove_dc: bool | None = None,
    preemphasis: float | None = None,
    power: int | None = None,
    n_mels: int | None = None,
    fmin: float | None = None,
    fmax: float | None = None,
    htk: bool | None = None,
    mel_norm: str | None = None,
    pcen_scale: float | None = None,
    pcen_gain: float | None = None,
    pcen_bias: float | None = None,
    pcen_power: float | None = None,
    pcen_time_constant: float | None = None,
    pcen_eps: float | None = None,
    max_size: int | None = None,
    lag: int | None = None,
    aggregate: str | None = None,
    detrend: bool | None = None,
    unvoiced: str | None = None,
    voicing_threshold: float | None = None,
    trough_threshold: float | None = None,
    f0_track: bool | None = None,
    log: str | None = None,
    top_db: float | Default | None = Default.OF_LIKE,
    n_mfcc: int | None = None,
    dct_norm: str | None = None,
    lifter: float | None = None,
    use_energy: bool | None = None,
    delta: int | None = None,
    delta_width: int | None = None,
    roll_percent: float | None = None,
    n_chroma: int | None = None,
    tuning: float | None = None,
    n_bands: int | None = None,
    channels: bool | None = None,
    offset: float | None = None,
    duration: float | None = None,
    segments: int | None = None,
    segment: float | None = None,
    overlap: float | None = None,
    rest: str | None = None,
    summary: str | Sequence[str] = (),
    source_sample_rate: int | None = None,
) -> FeatureTensor:
    """Compute a feature tensor of shape (frames, bins), float32; by default MFCC equal to librosa's.

    A parameter that is None has the default of `like`. For librosa: 22050 Hz mono, n_fft 2048,
    hop_length 512, 128 mels, 13 coefficients, centred frames, top_db 80.

    Args:
        source: a path, or samples of shape (n,) or (n, channels).
        sample_rate: rate in Hz to which the samples are resampled. For an array it is also the array's own
            rate, unless `source_sample_rate` is given.
        feature: one feature, or several side by side; `docs/features.md` defines each.
        like: "librosa", "torchaudio" or "kaldi": whose defaults and conventions are followed.
        n_fft: samples in a frame.
        hop_length: samples between frames.
        win_length: samples under the window, at most `n_fft`.
        window: "hann", "hamming", "blackman", "blackmanharris", "boxcar" or "povey".
        center: whether a frame is centred on its time; if not, it begins there.
        pad_mode: samples beyond the ends of centred frames, by NumPy's names: "constant", "reflect", ...
        frames_exact: samples // hop_length frames, without the last centred one.
        sample_scale: factor on the samples; Kaldi's features are of 16-bit integers.
        remove_dc: subtract the mean of each frame.
        preemphasis: coefficient of the filter x[n] - c x[n-1], 0 to 1.
        power: 1 for magnitudes, 2 for powers.
        n_mels: mel bands.
        fmin: lower edge of the first mel band, or the lowest f0, in Hz.
        fmax: upper edge of the last mel band, or the highest f0, in Hz.
        htk: HTK's mel scale in place of Slaney's.
        mel_norm: "slaney" for filters of unit area, "none" for filters of unit height.
        pcen_scale: factor on the mel spectrum before pcen.
        pcen_gain: exponent of the smoothed level that pcen divides by, 0 to 4.
        pcen_bias: what is added before pcen compresses, 0 or more.
        pcen_power: exponent of the compression, 0 to 4; 0 for ln(1 + x).
        pcen_time_constant: seconds that the level is smoothed over.
        pcen_eps: what is added to the level, so that none is 0.
        max_size: mel bands that the level of pcen, or the earlier level of onset, is the largest of.
        lag: frames that an onset is measured over.
        aggregate: "mean" or "median" over the bands, for onset.
        detrend: subtract from onset its mean so far.
        unvoiced: f0 of a frame that is not periodic: "zero", "nan" or "estimate".
        voicing_threshold: voicing below which a frame has no f0, 0 to 1.
        trough_threshold: normalised difference below which YIN takes the first trough, 0 to 1.
        f0_track: f0 on the path of least cost through the troughs of all frames.
        log: "db" for 10 log10, "ln" for the natural logarithm.
        top_db: floor in dB below the largest value; None for no floor.
        n_mfcc: cepstral coefficients.
        dct_norm: "ortho" or "none".
        lifter: weight of higher coefficients; 0 for none.
        use_energy: replace the first coefficient by the log energy of the frame.
        delta: 1 adds differences over time to the bins, 2 also those of second order.
        delta_width: frames that a difference is taken over, odd.
        roll_percent: share of the energy below the roll-off frequency.
        n_chroma: pitch classes.
        tuning: offset from A440 in fractions of a chroma bin; None estimates it.
        n_bands: octave bands of spectral contrast.
        channels: keep the channels as the last axis, in place of a mix to mono.
        offset: seconds at the beginning to leave out.
        duration: seconds to read; None reads to the end.
        segments: number of equal segments: shape (segments, frames, bins).
        segment: length of the segments in seconds, in place of their number.
        overlap: fraction of a segment that the next one repeats, 0 or more and below 1.
        rest: what becomes of the samples behind the last whole segment: "drop", "pad" or "keep".
        summary: statistics over time in place of frames, such as ("mean", "std").
        source_sample_rate: rate of an array in Hz, where it is not `sample_rate`.

    Raises:
        UsageError: a value is out of its range.
        InputError: the recording is missing, damaged, empty or too short; `kind` names the cause.

    Example:
        >>> import numpy as np
        >>> import audiocnn_cli as audiocnn
        >>> tone = np.sin(2 * np.pi * 440 * np.arange(22050) / 22050)
        >>> audiocnn.features(tone, sample_rate=22050).shape
        (44, 13)
    """
    given = {name: value for name, value in locals().items() if name in SETTINGS and value is not None}
    given |= {"feature": _joined(feature), "summary": _joined(summary)}
    if top_db is Default.OF_LIKE:
        del given["top_db"]
    elif top_db is None:
        given["top_db"] = "none"
    plan = plan_from(typed_settings(given, origin="features"))
    return FeatureTensor(extract_source(source_of(source, source_sample_rate or sample_rate), plan))


SETTINGS = frozenset(features.__annotations__) - {"source", "source_sample_rate", "return"}


class FeatureTensor:
    """A feature tensor with the meaning of its axes; NumPy functions take it as an array.

    Attributes:
        data: the tensor: ([segments,] frames, bins[, channels]), float32.
        shape: of `data`.
        dtype: of `data`.
        axes: the name of each axis of `data`.
        columns: the name of each bin.
        times_s: time of each frame in seconds, from the start of its segment: (frames,).
        frequencies_hz: frequency of each bin in Hz: (bins,); None for bins without one, such as MFCC.
        starts_s: start of each segment in the recording, in seconds.
        duration_s: seconds of the recording that were read.
        config: every parameter that the numbers depend on.
        sample_rate: rate of the samples that the features were computed from, in Hz.
    """

    def __init__(self, result: FeatureResult) -> None:
        self._result = result
        tensor = result.tensor
        self.data = tensor.data
        self.shape = tensor.data.shape
        self.dtype = tensor.data.dtype
        self.axes = tensor.axes
        self.columns = tensor.columns
        self.times_s = tensor.times_s
        self.frequencies_hz = frequencies_hz(tensor.plan.configs)
        self.starts_s = tensor.starts_s
        self.duration_s = tensor.duration_s
        self.config = tensor.plan.config
        self.sample_rate = self.config.sample_rate

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.data, dtype=dtype, copy=copy)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: Any) -> Any:
        return self.data[index]

    def to_dict(self) -> dict[str, Any]:
        """Shape, rates and the mean and deviation of each bin: a result of `audiocnn features --json`."""
        from audiocnn_cli.output.tensors.report import document

        return document(self._result)

    def to_pandas(self) -> pd.DataFrame:
        """A data frame with a row a frame: path, segment, frame, time_s, then the bins."""
        import pandas as pd

        from audiocnn_cli.output.views.features import rows

        frame = pd.DataFrame(rows(self._result))
        numbers = frame.columns.difference(["path", "segment", "frame", "time_s"])
        return frame.astype(dict.fromkeys(numbers, "float32"))

    def __repr__(self) -> str:
        axes = ", ".join(f"{name} {size}" for name, size in zip(self.axes, self.shape, strict=True))
        return (
            f"<FeatureTensor {self._result.tensor.plan.feature}: {axes};"
            f" {self.duration_s:.2f} s at {self.sample_rate} Hz>"
        )

    def _repr_html_(self) -> str:
        found = self.to_dict()
        statistics = zip(self.columns, np.ravel(found["mean"]), np.ravel(found["std"]), strict=False)
        rows = [{"bin": name, "mean": f"{mean:.4g}", "std": f"{std:.4g}"} for name, mean, std in statistics]
        return notebook_html(self, rows)


def _joined(names: str | Sequence[str]) -> str:
    return names if isinstance(names, str) else ",".join(names)
