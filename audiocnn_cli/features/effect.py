"""The settings that each feature reads, and those given that can't change a result."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields

from audiocnn_cli.features.config import Dialect, Feature, FeatureConfig, Unvoiced
from audiocnn_cli.features.plan import Plan

# What every feature reads: the samples themselves, and the defaults of a library.
_SAMPLES = frozenset({"like", "feature", "sample_rate", "sample_scale"})
_FRAMES = _SAMPLES | {"n_fft", "hop_length", "center", "pad_mode", "frames_exact"}
_SPECTRUM = _FRAMES | {"win_length", "window", "remove_dc", "preemphasis"}
_MEL = _SPECTRUM | {"power", "n_mels", "fmin", "fmax", "htk", "mel_norm"}
_LEVELS = _MEL | {"log", "top_db"}
_PCEN = frozenset(
    {"pcen_scale", "pcen_gain", "pcen_bias", "pcen_power", "pcen_time_constant", "pcen_eps", "max_size"}
)
_PITCHES = _SPECTRUM | {"n_chroma", "tuning"}
_DELTAS = frozenset({"delta", "delta_width"})

READS: dict[Feature, frozenset[str]] = {
    Feature.WAVEFORM: _SAMPLES,
    Feature.STFT: _SPECTRUM | _DELTAS | {"power"},
    Feature.COMPLEX: _SPECTRUM,
    Feature.MEL: _MEL | _DELTAS,
    Feature.LOGMEL: _LEVELS | _DELTAS,
    Feature.PCEN: _MEL | _DELTAS | _PCEN,
    Feature.MFCC: _LEVELS | _DELTAS | {"n_mfcc", "dct_norm", "lifter", "use_energy"},
    Feature.CHROMA: _PITCHES | _DELTAS,
    Feature.TONNETZ: _PITCHES | _DELTAS,
    Feature.CONTRAST: _SPECTRUM | _DELTAS | {"top_db", "n_bands"},
    # Its frames continue the first and the last sample, and a scale changes no sign.
    Feature.ZCR: (_FRAMES | _DELTAS) - {"pad_mode", "sample_scale"},
    Feature.RMS: _FRAMES | _DELTAS,
    Feature.CENTROID: _SPECTRUM | _DELTAS,
    Feature.BANDWIDTH: _SPECTRUM | _DELTAS,
    Feature.ROLLOFF: _SPECTRUM | _DELTAS | {"roll_percent"},
    Feature.FLATNESS: _SPECTRUM | _DELTAS,
    Feature.F0: _FRAMES
    | _DELTAS
    | {"fmin", "fmax", "unvoiced", "voicing_threshold", "trough_threshold", "f0_track"},
    Feature.ONSET: _LEVELS | _DELTAS | {"lag", "max_size", "aggregate", "detrend"},
}
# Options that stand for a value of another setting.
_MEANS = {"no_top_db": "top_db"}
# Kaldi's frames are as long as the window, and only a transform pads them to `n_fft`.
_UNPADDED = (Feature.ZCR, Feature.RMS, Feature.F0)
# Settings that others switch off: names, the condition, and its words in the message.
_SWITCHES: tuple[tuple[frozenset[str], Callable[[Plan], bool], str], ...] = (
    (frozenset({"pad_mode"}), lambda plan: not plan.config.center, "with `center=False`"),
    (frozenset({"delta_width"}), lambda plan: plan.config.delta == 0, "without `delta`"),
    (
        frozenset({"voicing_threshold"}),
        lambda plan: plan.config.unvoiced is Unvoiced.ESTIMATE,
        "with `unvoiced=estimate`",
    ),
    (frozenset({"pcen_bias"}), lambda plan: plan.config.pcen_power == 0, "with `pcen_power=0`"),
    (
        frozenset({"pcen_time_constant", "pcen_eps", "max_size"}),
        lambda plan: plan.config.pcen_gain == 0 and plan.feature == Feature.PCEN,
        "with `pcen_gain=0`",
    ),
    (
        frozenset({"overlap", "rest"}),
        lambda plan: plan.segmentation is not None and plan.segmentation.count == 1,
        "with `segments=1`",
    ),
)


def reads(config: FeatureConfig) -> frozenset[str]:
    """The names of the settings of `config` that its feature depends on."""
    names = READS[config.feature]
    if config.like is Dialect.KALDI and config.feature in _UNPADDED:
        return (names - {"n_fft"}) | {"win_length"}
    return names


def without_effect(plan: Plan, given: Mapping[str, object]) -> Iterator[str]:
    """A sentence for each of the `given` settings, by name, that can't change what `plan` computes.

    Settings that are no fields of a FeatureConfig, such as `duration`, are read whatever the feature.
    """
    read = frozenset().union(*map(reads, plan.configs))
    ignored = {field.name for field in fields(FeatureConfig)} - read
    for name, value in given.items():
        called = f"`{name}=False`" if value is False else f"`{name}`"
        if _MEANS.get(name, name) in ignored:
            yield f"{called} has no effect on {plan.feature.replace(',', ', ')}"
            continue
        reasons = (reason for names, holds, reason in _SWITCHES if name in names and holds(plan))
        for reason in reasons:
            yield f"{called} has no effect {reason}"
