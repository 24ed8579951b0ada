"""The stages of a plan: each with the shape of its output and the units of its numbers."""

from dataclasses import dataclass, replace

from audiocnn_cli.audio.decode import open_audio
from audiocnn_cli.audio.segments import segment_count
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.features.config import DctNorm, Dialect, Feature, FeatureConfig, Log, Unvoiced
from audiocnn_cli.features.f0 import CANDIDATES, lags_of
from audiocnn_cli.features.framing import Framing
from audiocnn_cli.features.onset import delay
from audiocnn_cli.features.plan import Plan

Shape = tuple[int, ...]

_TIME_DOMAIN = frozenset({Feature.ZCR, Feature.RMS, Feature.F0})
_DEFINITIONS = {
    Feature.CHROMA: ("energy of each pitch class, the largest of a frame 1", "share of the largest"),
    Feature.TONNETZ: ("chroma on the circles of fifths, minor and major thirds", "-1 to 1"),
    Feature.ZCR: ("neighbouring samples whose signs differ", "share of the frame"),
    Feature.RMS: ("root of the mean of the squared samples, without the window", "amplitude"),
    Feature.CENTROID: ("mean frequency, weighted by magnitude", "Hz"),
    Feature.BANDWIDTH: ("standard deviation of frequency, weighted by magnitude", "Hz"),
    Feature.ROLLOFF: ("below it lie {config.roll_percent:.0%} of the magnitude", "Hz"),
    Feature.FLATNESS: ("geometric over arithmetic mean of power", "0 (tone) to 1 (noise)"),
}


@dataclass(frozen=True, slots=True)
class Stage:
    """One step: the operation, the shape of its output, and the units."""

    name: str
    detail: str
    shape: Shape
    unit: str


@dataclass(frozen=True, slots=True)
class Recording:
    """The input: `frames` samples a channel at `sample_rate` Hz, of the excerpt that is read."""

    path: str
    sample_rate: int
    channels: int
    frames: int


def explain(recording: Recording, plan: Plan) -> list[Stage]:
    """The stages from the file to the tensor.

    Raises:
        SignalError: there are fewer samples than segments.
    """
    config = plan.config
    samples = -(-recording.frames * config.sample_rate // recording.sample_rate)
    stages = reading_stages(recording, plan, samples)
    lead: Shape = ()
    if plan.segmentation is not None:
        sizes = plan.segmentation.sizes(samples, config.sample_rate)
        rest = plan.segmentation.rest
        count = segment_count(samples, sizes, rest, plan.segmentation.count)
        stages.append(segments_stage(count, sizes.length, sizes.hop, str(rest)))
        lead, samples = (count,), sizes.length
    stages += tensor_stages(plan, samples, lead)
    if plan.keep_channels:
        stages[1:] = [_with_channels(stage, recording.channels, config) for stage in stages[1:]]
    return stages


def segments_stage(count: int, length: int, hop: int, rest: str) -> Stage:
    """Cutting into `count` segments; `rest` is what becomes of the samples behind the last one."""
    detail = f"{length} samples every {hop}, the rest: {rest}; each is framed and floored by itself"
    return Stage("segments", detail, (count, length), "amplitude")


def tensor_stages(plan: Plan, samples: int, lead: Shape) -> list[Stage]:
    """The stages from `samples` samples to the tensor; `lead` is () or the number of segments."""
    config = plan.config
    stages: list[Stage] = []
    if config.sample_scale != 1:
        stages.append(Stage("scale", f"times {config.sample_scale:g}", (*lead, samples), "amplitude"))
    if config.feature is Feature.WAVEFORM:
        stages.append(Stage("waveform", "one sample a frame", (*lead, samples, 1), "amplitude"))
    else:
        frames = config.n_frames(samples)
        stages += _framing(config, _frames_detail(config.framing, samples), (*lead, frames))
        for each in plan.configs:
            stages += _feature(each, (*lead, frames))
    if len(plan.configs) > 1:
        width = sum(each.n_bins for each in plan.configs)
        stages.append(Stage("side by side", plan.feature, (*stages[-1].shape[:-1], width), "as above"))
    if plan.summary:
        shape = (*lead, len(plan.summary), *stages[-1].shape[len(lead) + 1 :])
        stages.append(Stage("summary", ", ".join(plan.summary) + " over the frames", shape, "as above"))
    return stages


def _with_channels(stage: Stage, channels: int, config: FeatureConfig) -> Stage:
    """Channels are the last axis; of complex numbers each has two parts there."""
    parts = config.feature is Feature.COMPLEX and stage.name in ("complex", "summary")
    shape = (*stage.shape[:-1], 2 * channels) if parts else (*stage.shape, channels)
    return replace(stage, shape=shape)


def _frames_detail(frames: Framing, samples: int) -> str:
    """The arithmetic of the number of frames."""
    count, hop, around = frames.n_frames(samples), frames.hop, frames.before + frames.after
    if frames.exact:
        return f"{samples} // {hop} = {count}: the last centred frame is left out (`frames_exact=True`)"
    if not around:
        return f"1 + ({samples} - {frames.length}) // {hop} = {count}: whole frames only, no padding"
    padded = samples if around == frames.length else f"({samples} + {around} - {frames.length})"
    exact = f"samples / hop = {samples // hop} with `frames_exact=True`"
    return f"1 + {padded} // {hop} = {count}: centred frames, the first at 0 s and one at the end; {exact}"


def reading_stages(recording: Recording, plan: Plan, samples: int) -> list[Stage]:
    """The stages from the file to `samples` mono samples at the plan's rate."""
    rate, channels = plan.config.sample_rate, recording.channels
    decoded = (recording.frames, channels)
    stages = [Stage("decode", f"{recording.sample_rate} Hz", decoded, "amplitude, -1 to 1")]
    if not plan.keep_channels and channels > 1:
        stages.append(Stage("mix down", f"mean of {channels} channels", decoded[:1], "amplitude"))
    if rate != recording.sample_rate:
        detail = f"soxr HQ, {recording.sample_rate} to {rate} Hz"
        stages.append(Stage("resample", detail, (samples,), "amplitude"))
    return stages


def _framing(config: FeatureConfig, detail: str, shape: Shape) -> list[Stage]:
    whole = (*shape, config.frame_length)
    padding = f"; ends padded ({config.pad_mode})" if config.center else ""
    cutting = f"{config.frame_length} samples every {config.hop_length}{padding}: {detail}"
    steps = ["mean removed"] if config.remove_dc else []
    if config.preemphasis:
        steps.append(f"pre-emphasis {config.preemphasis:g}")
    steps.append(f"{config.window} of {config.effective_win_length} samples")
    return [
        Stage("frames", cutting, whole, "amplitude"),
        Stage("window", ", ".join(steps), whole, "amplitude"),
    ]


def _feature(config: FeatureConfig, shape: Shape) -> list[Stage]:
    stages = []
    if config.feature not in _TIME_DOMAIN:
        detail = f"real DFT of {config.n_fft} points, bins {config.sample_rate / config.n_fft:.4g} Hz apart"
        stages.append(Stage("stft", detail, (*shape, config.n_frequencies), "complex amplitude"))
    stages += _last_stages(config, shape)
    if config.delta:
        detail = f"over {config.delta_frames} frames, up to order {config.delta}"
        stages.append(Stage("delta", detail, (*shape, config.n_bins), "per frame"))
    return stages


def _last_stages(config: FeatureConfig, shape: Shape) -> list[Stage]:
    feature, whole = config.feature, (*shape, config.base_bins)
    if feature in (Feature.MEL, Feature.LOGMEL, Feature.PCEN, Feature.ONSET, Feature.MFCC):
        return _mel_stages(config, shape)
    if feature is Feature.STFT:
        name, unit = ("power", "amplitude squared") if config.power == 2 else ("magnitude", "amplitude")
        return [Stage(name, "of each bin", whole, unit)]
    if feature is Feature.COMPLEX:
        return [Stage("complex", "real and imaginary part as channels", (*whole, 2), "amplitude")]
    if feature is Feature.CONTRAST:
        floor = "" if config.top_db is None else f", floored {config.top_db:g} dB below the maximum"
        detail = f"peaks less valleys of {config.n_bands + 1} octaves{floor}"
        return [Stage("contrast", detail, whole, "dB")]
    if feature is Feature.F0:
        return [Stage("f0", _f0_detail(config), whole, "Hz, and voicing of 0 to 1")]
    detail, unit = _DEFINITIONS[feature]
    detail = detail.format(config=config)
    if feature in (Feature.CHROMA, Feature.TONNETZ):
        detail += "; tuning " + ("estimated" if config.tuning is None else f"{config.tuning:g}")
    return [Stage(feature, detail, whole, unit)]


def _mel_stages(config: FeatureConfig, shape: Shape) -> list[Stage]:
    scale = "HTK" if config.htk else "Slaney"
    over = "over mels" if config.like is Dialect.KALDI else "over Hz"
    norm = "unit height" if config.mel_norm == "none" else "unit area"
    edges = f"{config.effective_fmin:g} to {config.effective_fmax:g} Hz"
    detail = f"{config.n_mels} triangles {over}, {edges}, {scale} scale, {norm}"
    whole = (*shape, config.n_mels)
    magnitudes = config.power == 1 or (config.power is None and config.feature is Feature.PCEN)
    stages = [Stage("mel", detail, whole, "amplitude" if magnitudes else "power")]
    if config.feature is Feature.MEL:
        return stages
    if config.feature is Feature.PCEN:
        return [*stages, Stage("pcen", _pcen_detail(config), whole, "compressed ratio")]
    decibels = config.log is Log.DB
    detail = "10 log10, at least -100 dB" if decibels else "natural logarithm, at least that of 2^-23"
    if config.top_db is not None:
        detail += f", floored {config.top_db:g} dB below the maximum"
    stages.append(Stage("log", detail, whole, "dB" if decibels else "neper (of power)"))
    if config.feature is Feature.LOGMEL:
        return stages
    if config.feature is Feature.ONSET:
        return [*stages, Stage("onset", _onset_detail(config), (*shape, 1), stages[-1].unit)]
    detail = "DCT-II, orthonormal" if config.dct_norm is DctNorm.ORTHO else "DCT-II, plain sum times 2"
    if config.lifter:
        detail += f", lifter {config.lifter:g}"
    if config.use_energy:
        detail += ", coefficient 0 the log energy"
    return [*stages, Stage("dct", detail, (*shape, config.n_mfcc), stages[-1].unit)]


def _onset_detail(config: FeatureConfig) -> str:
    """The arithmetic of onset strength, as it is."""
    over = f"{config.lag} frames" if config.lag > 1 else "one frame"
    above = f", above the largest of {config.max_size} bands" if config.max_size > 1 else ""
    end = f"; {later} frames later, in the middle of the window" if (later := delay(config)) else ""
    end += "; less its mean so far" if config.detrend else ""
    return f"{config.aggregate} over the bands of the increase over {over}{above}{end}"


def _f0_detail(config: FeatureConfig) -> str:
    """The search of YIN for a period, as it is."""
    lags, (fmin, fmax) = lags_of(config), config.f0_range
    first = f"the first trough below {config.trough_threshold:g}, or else the lowest value"
    path = f"the path of least cost through {CANDIDATES} troughs a frame, those below"
    path += f" {config.trough_threshold:g} alike"
    detail = f"normalised difference at lags of {lags.shortest} to {lags.longest} samples,"
    detail += f" {fmin:g} to {fmax:g} Hz, without the window: {path if config.f0_track else first},"
    detail += " refined by a parabola"
    if config.unvoiced is not Unvoiced.ESTIMATE:
        detail += f"; {config.unvoiced} where voicing is below {config.voicing_threshold:g}"
    return detail


def _pcen_detail(config: FeatureConfig) -> str:
    """The arithmetic of per-channel energy normalisation, as it is."""
    above = "" if config.max_size == 1 else f" of the largest of {config.max_size} bands"
    ratio = f"x / ({config.pcen_eps:g} + s)^{config.pcen_gain:g}"
    power, bias = f"{config.pcen_power:g}", f"{config.pcen_bias:g}"
    compressed = f"({ratio} + {bias})^{power} - {bias}^{power}" if config.pcen_power else f"ln(1 + {ratio})"
    smooth = f"s the mean{above} over the last {config.pcen_time_constant:g} s"
    return f"{compressed}; x the mel spectrum times {config.pcen_scale:g}, {smooth}"


def recording_of(source: Source | None, plan: Plan) -> Recording:
    """The properties of `source` within the plan's excerpt; without a source, of an example of 30 s.

    Raises:
        InputError: it can't be used.
    """
    if source is None:
        rate = plan.config.sample_rate
        seconds = 30.0 if plan.excerpt.duration_s is None else plan.excerpt.duration_s
        return Recording(f"{seconds:g} s at {rate} Hz", rate, 1, max(1, int(seconds * rate)))
    with open_audio(source) as reader:
        info = reader.info
        return Recording(source.path, info.sample_rate, info.channels, plan.excerpt.frames(reader))
