"""FeatureConfig refuses what makes no sense, names the field, and survives JSON."""

import json
from dataclasses import asdict
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiocnn_cli.errors import UsageError
from audiocnn_cli.features.config import Feature, FeatureConfig, Window, feature_named
from audiocnn_cli.features.framing import PadMode

NAN = float("nan")
BAD: list[tuple[str, Any]] = [
    *((name, 0) for name in ("sample_rate", "n_fft", "hop_length", "win_length", "n_mels")),
    *(("n_fft", value) for value in (-1, 1 << 30)),
    *(("win_length", value) for value in (-5, 2049)),
    *(("n_mfcc", value) for value in (0, 129)),
    *(("fmin", value) for value in (-1.0, 11025.0, NAN)),
    *(("fmax", value) for value in (0.0, 11025.5, float("inf"), NAN)),
    *(("top_db", value) for value in (-1.0, float("inf"), NAN)),
    ("n_mels", 1 << 20),
]


@pytest.mark.parametrize(("field", "value"), BAD)
def test_a_value_out_of_range_is_named(field: str, value: Any) -> None:
    with pytest.raises(UsageError) as error:
        FeatureConfig(**{field: value})
    assert str(error.value).startswith(f"`{field}` must be ")
    assert "\n" not in str(error.value)


def test_an_unknown_feature_is_named() -> None:
    with pytest.raises(UsageError, match="unknown feature 'mfc'; one of waveform, "):
        feature_named("mfc")


@given(
    st.builds(
        FeatureConfig,
        feature=st.sampled_from(Feature),
        sample_rate=st.integers(8000, 96000),
        window=st.sampled_from(Window),
        pad_mode=st.sampled_from(PadMode),
        win_length=st.none() | st.integers(1, 2048),
        top_db=st.none() | st.floats(0, 200),
    )
)
def test_survives_json(config: FeatureConfig) -> None:
    text = json.dumps(asdict(config), allow_nan=False)
    assert msgspec.convert(json.loads(text), FeatureConfig) == config
    assert msgspec.json.decode(msgspec.json.encode(config), type=FeatureConfig) == config
