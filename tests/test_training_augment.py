"""Each augmentation by itself (needs the [train] extra: make test-train)."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.train
pytest.importorskip("torch")

import torch

from audiocnn_cli.training import batches
from audiocnn_cli.training.batches import FLOOR_DB, AugmentConfig, augment, stretch_frames

OFF: dict[str, Any] = {field.name: 0.0 for field in fields(AugmentConfig)} | {"roll": False}
NOTHING = AugmentConfig(**OFF)
SHAPE = (200, 20, 32)


@pytest.fixture
def x() -> torch.Tensor:
    """Segments of decibels, no two values alike."""
    values = np.random.default_rng(1).uniform(-60, 0, SHAPE).astype(np.float32)
    return torch.from_numpy(values)


def drawn() -> torch.Generator:
    return torch.Generator().manual_seed(5)


def test_without_any_strength_nothing_changes(x: torch.Tensor) -> None:
    assert torch.equal(augment(x, SHAPE[1], NOTHING, drawn()), x)


def test_the_same_draws_give_the_same_segments(x: torch.Tensor) -> None:
    first, second = (augment(x, SHAPE[1], AugmentConfig(), drawn()) for _ in range(2))
    assert torch.equal(first, second)
    assert first.shape == SHAPE
    assert torch.isfinite(first).all()
    assert not torch.equal(first, augment(x, SHAPE[1], AugmentConfig(), torch.Generator()))


def test_a_segment_turned_around_has_the_same_frames_in_the_same_ring(x: torch.Tensor) -> None:
    turned = augment(x, SHAPE[1], replace(NOTHING, roll=True), drawn())
    shifts = set()
    for before, after in zip(x, turned, strict=True):
        (shift,) = [s for s in range(SHAPE[1]) if torch.equal(torch.roll(before, -s, 0), after)]
        shifts.add(shift)
    assert len(shifts) == SHAPE[1]  # of 200 segments each shift comes up


def test_a_gain_is_one_number_a_segment(x: torch.Tensor) -> None:
    change = augment(x, SHAPE[1], replace(NOTHING, gain_db=9.0), drawn()) - x
    assert change.std(dim=(1, 2)).max() < 1e-4
    gains = change.mean(dim=(1, 2))
    assert -9.0 <= gains.min() < -8.0
    assert 2.0 < gains.max() <= 3.0


def test_nothing_sinks_below_the_floor_of_the_features() -> None:
    silence = torch.full((50, 8, 16), FLOOR_DB)
    strong = replace(NOTHING, gain_db=30.0, tone_db=12.0, low_pass=1.0)
    assert augment(silence, 8, strong, drawn()).min() >= FLOOR_DB


def test_a_tone_is_the_same_in_all_frames_and_smooth_over_mels(x: torch.Tensor) -> None:
    change = augment(x, SHAPE[1], replace(NOTHING, tone_db=6.0), drawn()) - x
    assert change.std(dim=1).max() < 1e-4
    curve = change.mean(dim=1)
    assert 5.0 < curve.abs().max() <= 6.0
    # Straight lines between five mels: no step is larger than from -6 to 6 dB over a quarter.
    assert curve.diff(dim=1).abs().max() <= 12.0 / (31 / 4) + 1e-4


def test_a_low_pass_takes_only_what_lies_above_its_edge(x: torch.Tensor) -> None:
    loss = x - augment(x, SHAPE[1], replace(NOTHING, low_pass=1.0), drawn())
    assert loss[:, :, : int(0.4 * SHAPE[2])].abs().max() < 1e-4
    share = (loss[:, :, -1].amax(dim=1) > 1).float().mean()
    assert share > 0.9
    some = x - augment(x, SHAPE[1], replace(NOTHING, low_pass=0.25), drawn())
    assert 0.15 < (some[:, :, -1].amax(dim=1) > 1).float().mean() < 0.35


def test_noise_adds_power_and_takes_none(x: torch.Tensor) -> None:
    noisy = augment(x, SHAPE[1], replace(NOTHING, noise=1.0), drawn())
    assert (noisy - x).min() > -1e-3
    quietest = torch.full((20, 8, 16), -90.0)
    quietest[:, 0, 0] = 0.0
    filled = augment(quietest, 8, replace(NOTHING, noise=1.0), drawn())
    assert filled[:, 1:].mean() > -80


def test_a_mask_hides_frames_and_mels_behind_the_mean(x: torch.Tensor) -> None:
    masked = augment(x, SHAPE[1], replace(NOTHING, mask_frames=0.5, mask_mels=0.5), drawn())
    hidden = masked != x
    means = x.mean(dim=(1, 2), keepdim=True).expand_as(x)
    assert torch.allclose(masked[hidden], means[hidden], atol=1.0)
    whole_frames = hidden.all(dim=2).float().mean(dim=1)
    whole_mels = hidden.all(dim=1).float().mean(dim=1)
    for share in (whole_frames, whole_mels):
        assert share.max() <= 0.5
        assert 0.15 < share.mean() < 0.35


def test_stretching_and_pitch_move_a_line() -> None:
    lines = torch.full((1, 40, 32), FLOOR_DB)
    lines[:, 20, :] = 0.0
    lengths = {stretch_frames(40, replace(NOTHING, stretch=0.25), drawn()) for _ in range(1)}
    random = drawn()
    lengths |= {stretch_frames(40, replace(NOTHING, stretch=0.25), random) for _ in range(300)}
    assert (min(lengths), max(lengths)) == (30, 50)
    narrow = augment(lines, 20, NOTHING, drawn())
    assert narrow.shape == (1, 20, 32)
    assert narrow[0].amax(dim=1).argmax() in (9, 10)
    tone = torch.full((1, 10, 100), FLOOR_DB)
    tone[:, :, 50] = 0.0
    places = {
        int(batches._resize(tone, 10, replace(NOTHING, pitch=0.2), random)[0, 0].argmax()) for _ in range(200)
    }
    assert 39 <= min(places) <= 42
    assert 58 <= max(places) <= 61
