"""`features` names the options that can't change its result: all of those, and no others."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from audiocnn_cli.commands import feature_options as groups
from audiocnn_cli.errors import UsageError
from audiocnn_cli.features.config import Feature
from audiocnn_cli.features.effect import READS, without_effect
from audiocnn_cli.features.plan import Plan
from audiocnn_cli.features.result import compute
from audiocnn_cli.features.settings import merged_plan, typed_settings
from tests.conftest import Finished
from tests.signals import tones_and_noise

Run = Callable[..., Finished]
Settings = dict[str, Any]

pytestmark = pytest.mark.filterwarnings("ignore:Trying to estimate tuning")
# The silence near the end is below any floor; in the last of three segments a click is the loudest part.
CHANNELS = [tones_and_noise(21_000), tones_and_noise(21_000, seed=5)]
SAMPLES = np.pad(np.stack(CHANNELS, axis=1), ((0, 3190), (0, 0)))
SAMPLES[-60:-50] = 0.5
# Values of each option; it has an effect if one of them changes the result.
PROBES: dict[str, tuple[Any, ...]] = {
    "n_mfcc": (9,), "n_mels": (30,), "delta": (0, 1), "like": ("librosa", "torchaudio"), "summary": ("mean",),
    "sample_rate": (16000, 22050), "n_fft": (1000,), "hop_length": (333,), "win_length": (300,),
    "window": ("blackman",), "center": (False, True), "pad_mode": ("reflect", "edge", "constant"),
    "frames_exact": (True,), "preemphasis": (0.7,), "channels": (True,), "offset": (0.05,),
    "duration": (0.8,), "segment": (0.4,), "segments": (2,), "overlap": (0.5,), "rest": ("pad", "keep"),
    "fmin": (130.0, 1500.0), "fmax": (3000.0, 300.0, 150.0), "top_db": (20.0, 30.0),
    "no_top_db": (True,), "power": (1, 2), "htk": (True, False), "mel_norm": ("none", "slaney"),
    "log": ("ln", "db"), "dct_norm": ("none",),
    "lifter": (9.0,), "delta_width": (3,), "n_chroma": (24,), "tuning": (0.31,),
    "n_bands": (2,), "roll_percent": (0.5,),
    "pcen_scale": (3.0,), "pcen_gain": (0.5,), "pcen_bias": (7.0,), "pcen_power": (0.3,),
    "pcen_time_constant": (0.1,), "pcen_eps": (1e30,), "max_size": (3,),
    "unvoiced": ("zero", "nan", "estimate"), "voicing_threshold": (0.05, 0.9),
    "trough_threshold": (0.9, 1e-3), "f0_track": (True,), "lag": (2,),
    "aggregate": ("median",), "detrend": (True,),
}  # fmt: skip
CONTEXTS: dict[str, Settings] = {
    "plain": {},
    "not centred": {"center": False},
    "differences": {"delta": 1},
    "one segment": {"segments": 1},
    "three segments": {"segments": 3},
    "torchaudio": {"like": "torchaudio"},
    "kaldi": {"like": "kaldi", "top_db": 20.0},
    "kaldi, centred": {"like": "kaldi", "top_db": 20.0, "center": True},
}


def options() -> set[str]:
    """The names of all options of the command that are settings."""
    given = groups.settings_of(
        groups.FeatureOptions(), groups.FrameOptions(), groups.SegmentOptions(), groups.SpectrumOptions()
    )
    return set(given) - {"feature"}


def plan_of(settings: Settings) -> Plan:
    settings = dict(settings)
    no_top_db = settings.pop("no_top_db", False)
    return merged_plan(typed_settings(settings, origin="test"), None, no_top_db=no_top_db)


def computed(plan: Plan) -> tuple[Any, ...]:
    """What is written of a result: the numbers, the names of the columns, the times."""
    rate = 22050
    start = int(plan.excerpt.offset_s * rate)
    end = None if plan.excerpt.duration_s is None else start + int(plan.excerpt.duration_s * rate)
    samples: NDArray[np.float32] = SAMPLES[start:end]
    read = samples if plan.keep_channels else samples.mean(axis=1)
    # As resampled to another rate: the same samples would give the same crossings.
    if plan.config.sample_rate != rate:
        read = read[:: 1 + (plan.config.sample_rate < rate)]
    tensor = compute(lambda: iter([read]), len(read), plan)
    return tensor.data.tobytes(), tensor.data.shape, tensor.columns, tensor.times_s.tolist(), tensor.starts_s


def cases() -> Iterator[tuple[Feature, str]]:
    for feature in Feature:
        for context in CONTEXTS:
            if context == "differences" and feature in (Feature.WAVEFORM, Feature.COMPLEX):
                continue
            yield feature, context


def test_every_option_and_feature_is_covered() -> None:
    assert set(PROBES) == options()
    assert set(READS) == set(Feature)


@pytest.mark.parametrize(("feature", "context"), list(cases()))
def test_an_option_is_named_exactly_if_it_has_no_effect(feature: Feature, context: str) -> None:
    base = {"feature": feature.value, "n_bands": 3} | CONTEXTS[context]
    before = computed(plan_of(base))
    for name, values in PROBES.items():
        plans = list(plans_with(base, name, values))
        claims = {bool(list(without_effect(plan, {name: value}))) for plan, value in plans}
        changes = any(computed(plan) != before for plan, _ in plans)
        if name == "like":
            assert claims == {False}
        elif plans:  # else each is refused, which is not silent
            assert claims == {not changes}, name


def plans_with(base: Settings, name: str, values: tuple[Any, ...]) -> Iterator[tuple[Plan, Any]]:
    """The plans with each of the values; what is refused (an overlap without segments) is left out."""
    for value in values:
        with suppress(UsageError):
            yield plan_of(base | {name: value}), value


def test_the_command_prints_a_line_for_each(run: Run, make_wav: Callable[..., Path]) -> None:
    options = ["--feature", "contrast,zcr", "--fmin", "50", "--slaney", "--no-top-db"]
    finished = run("features", make_wav(), *options)
    assert finished.exit_code == 0
    assert finished.stderr.splitlines() == [
        "warning: --fmin has no effect on contrast, zcr",
        "warning: --slaney has no effect on contrast, zcr",
    ]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--feature", "contrast", "--fmin", "50"], "--fmin has no effect on contrast"),
        (["--feature", "rolloff", "--fmax", "5000"], "--fmax has no effect on rolloff"),
        (["--feature", "zcr", "--win-length", "512"], "--win-length has no effect on zcr"),
        (["--feature", "chroma", "--power", "1"], "--power has no effect on chroma"),
        (["--feature", "mel", "--top-db", "60"], "--top-db has no effect on mel"),
        (["--feature", "mel", "--no-top-db"], "--no-top-db has no effect on mel"),
        (["--delta-width", "5"], "--delta-width has no effect without --delta"),
        (["--no-center", "--pad-mode", "edge"], "--pad-mode has no effect with --no-center"),
        (["--feature", "pcen", "--top-db", "60"], "--top-db has no effect on pcen"),
        (
            ["--feature", "pcen", "--pcen-power", "0", "--pcen-bias", "1"],
            "--pcen-bias has no effect with --pcen-power 0",
        ),
        (
            ["--feature", "pcen", "--pcen-gain", "0", "--pcen-eps", "1"],
            "--pcen-eps has no effect with --pcen-gain 0",
        ),
        (["--feature", "onset,rms", "--pcen-gain", "1"], "--pcen-gain has no effect on onset, rms"),
        (
            ["--feature", "f0", "--unvoiced", "estimate", "--voicing-threshold", "0.9"],
            "--voicing-threshold has no effect with --unvoiced estimate",
        ),
        (["--feature", "f0", "--window", "hamming"], "--window has no effect on f0"),
        (["--segments", "1", "--rest", "pad"], "--rest has no effect with --segments 1"),
        (["--feature", "rms", "--like", "kaldi", "--n-fft", "1024"], "--n-fft has no effect on rms"),
    ],
)
def test_one_line_on_stderr(
    arguments: list[str], sentence: str, run: Run, make_wav: Callable[..., Path]
) -> None:
    assert run("features", make_wav(), *arguments, "--json").stderr == f"warning: {sentence}\n"
    assert run("features", make_wav(), *arguments, "--json", "-q").stderr == ""


def test_settings_of_a_file_are_not_named(run: Run, make_wav: Callable[..., Path], tmp_path: Path) -> None:
    """A file of --save-config holds all settings."""
    settings = tmp_path / "settings.toml"
    assert run("features", make_wav(), "--feature", "rms", "--save-config", settings).stderr == ""
    assert run("features", make_wav(), "--config", settings, "--json").stderr == ""
