"""The ranges of the fields of a FeatureConfig."""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # which checks itself with these
    from audiocnn_cli.features.config import FeatureConfig

# Upper limits that catch mistyped numbers before memory is allocated for them.
_LARGEST = {
    "sample_rate": 1 << 26,
    "n_fft": 1 << 18,
    "hop_length": 1 << 30,
    "n_mels": 1 << 12,
    "n_mfcc": 1 << 12,
    "n_chroma": 1 << 12,
    "n_bands": 1 << 6,
    "max_size": 1 << 12,
    "lag": 1 << 12,
}


def rules(config: "FeatureConfig") -> list[tuple[str, bool, str]]:
    """The name of a field, whether its value is allowed, and what it must be, for each rule."""
    half = config.sample_rate / 2
    fmin, fmax = config.lowest_hz, config.f0_range[1] if config.feature == "f0" else config.effective_fmax
    # One period of the lowest f0 has to fit into a frame.
    lowest = config.sample_rate / max(1, config.frame_length - 1)
    fits = config.feature != "f0" or fmin > lowest
    win_length, width = config.effective_win_length, config.delta_frames
    aligned = config.center or not config.frames_exact
    has_deltas = config.feature not in ("waveform", "complex")
    few = config.n_mfcc <= config.n_mels or config.feature != "mfcc"
    return [
        *((field, getattr(config, field) >= 1, "must be at least 1") for field in _LARGEST),
        *(
            (field, getattr(config, field) <= top, f"must be at most {top}")
            for field, top in _LARGEST.items()
        ),
        ("win_length", 1 <= win_length <= config.n_fft, f"must be 1 to `n_fft` ({config.n_fft})"),
        ("frames_exact", aligned, "is for centred frames, so must be off with `center=False`"),
        ("sample_scale", 0 < config.sample_scale < math.inf, "must be above 0"),
        ("preemphasis", 0 <= config.preemphasis <= 1, "must be 0 to 1"),
        ("fmax", 0 < fmax <= half, f"must be above 0 and at most half the sample rate ({half:g} Hz)"),
        ("fmin", 0 <= fmin < fmax, f"must be 0 or more and below `fmax` ({fmax:g} Hz)"),
        ("fmin", fits, f"must be above {lowest:.4g} Hz, or `n_fft` larger: a period has to fit"),
        ("voicing_threshold", 0 <= config.voicing_threshold <= 1, "must be 0 to 1"),
        ("trough_threshold", 0 < config.trough_threshold <= 1, "must be above 0 and at most 1"),
        ("power", config.power in (None, 1, 2), "must be 1 (magnitude) or 2 (power)"),
        ("pcen_scale", 0 < config.pcen_scale <= 1e12, "must be above 0 and at most 1e12"),
        ("pcen_gain", 0 <= config.pcen_gain <= 4, "must be 0 to 4"),
        ("pcen_bias", 0 <= config.pcen_bias < math.inf, "must be 0 or more"),
        ("pcen_power", 0 <= config.pcen_power <= 4, "must be 0 to 4"),
        ("pcen_time_constant", 0 < config.pcen_time_constant < math.inf, "must be above 0, in seconds"),
        ("pcen_eps", 1e-30 <= config.pcen_eps < math.inf, "must be at least 1e-30"),
        ("top_db", config.top_db is None or 0 <= config.top_db < math.inf, "must be 0 or more, in dB"),
        ("n_mfcc", few, f"must be at most `n_mels` ({config.n_mels})"),
        ("lifter", config.lifter == 0 or 1 <= config.lifter < math.inf, "must be 0 (none), or 1 or more"),
        ("delta", config.delta in (0, 1, 2), "must be 0, 1 or 2"),
        ("delta_width", width >= 3 and width % 2 == 1, "must be odd and at least 3"),
        ("delta", config.delta == 0 or has_deltas, f"must be 0 for {config.feature}"),
        ("roll_percent", 0 < config.roll_percent < 1, "must be above 0 and below 1"),
        ("tuning", config.tuning is None or -0.5 <= config.tuning < 0.5, "must be -0.5 to 0.5"),
    ]
