"""Segments are signals of their own: the shapes of the course, overlaps, and what becomes of the rest."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from audiocnn_cli.audio.segments import Segmentation, SegmentConfig, Splitter, TailPolicy, segment_count
from audiocnn_cli.audio.segments import cut as cut_samples
from audiocnn_cli.errors import SignalError, UsageError
from audiocnn_cli.features.config import Feature, FeatureConfig
from audiocnn_cli.features.extract import extract
from audiocnn_cli.features.result import Segments, extract_segments
from tests.signals import in_blocks, tones_and_noise

RATE = 22050


def cut(samples: int, block: int = 65536, **kwargs: object) -> Segments:
    y = tones_and_noise(samples)
    segmentation = Segmentation(**kwargs)  # type: ignore[arg-type]  # the test's own keywords
    sizes = segmentation.sizes(samples, RATE)
    return extract_segments(in_blocks(y, block), [FeatureConfig()], sizes, segmentation)


def test_the_shapes_of_the_course() -> None:
    assert cut(30 * RATE, count=10).data.shape == (10, 130, 13)
    assert cut(30 * RATE, count=5).data.shape == (5, 259, 13)
    assert cut(661_794, length_s=3).data.shape == (10, 130, 13)
    y = tones_and_noise(51_200)
    assert extract(y, FeatureConfig()).shape == (101, 13)
    assert extract(y[:, None], FeatureConfig(frames_exact=True)).shape == (100, 13, 1)


def test_a_segment_is_framed_padded_and_floored_by_itself() -> None:
    y = tones_and_noise(70_000)
    segments = cut(70_000, block=1234, length_s=0.5, overlap=0.25)
    length, hop = 11025, round(11025 * 0.75)
    assert len(segments.data) == 1 + (70_000 - length) // hop
    for i, data in enumerate(segments.data):
        np.testing.assert_array_equal(data, extract(y[i * hop :][:length], FeatureConfig()))


def test_the_rest() -> None:
    y = tones_and_noise(25_000)
    assert cut(25_000, length_s=0.5).data.shape == (2, 22, 13)
    padded = cut(25_000, length_s=0.5, rest=TailPolicy.PAD)
    assert padded.data.shape == (3, 22, 13)
    last = np.pad(y[22_050:], (0, 11_025 - 2950))
    np.testing.assert_array_equal(padded.data[2], extract(last, FeatureConfig()))
    kept = cut(25_000, length_s=0.5, rest=TailPolicy.KEEP)
    assert kept.data.shape == (2, 22, 13)
    assert kept.rest is not None
    np.testing.assert_array_equal(kept.rest, extract(y[22_050:], FeatureConfig()))
    assert cut(22_050, length_s=0.5, rest=TailPolicy.KEEP).rest is None


def test_shorter_than_a_segment() -> None:
    with pytest.raises(SignalError, match=r"is 0.05 s, shorter than one segment of 3 s; .*`rest=pad`"):
        cut(1000, length_s=3)
    assert cut(1000, length_s=1, rest=TailPolicy.PAD).data.shape == (1, 44, 13)
    kept = cut(1000, length_s=1, rest=TailPolicy.KEEP)
    assert kept.data.shape == (0, 2, 13)
    assert kept.rest is not None
    with pytest.raises(SignalError, match="can't be cut into 5 segments"):
        cut(3, count=5)


@settings(max_examples=60, deadline=None)
@given(
    count=st.none() | st.integers(1, 12),
    length_s=st.floats(0.01, 0.6),
    overlap=st.sampled_from([0.0, 0.1, 0.5, 0.9]),
    rest=st.sampled_from([TailPolicy.DROP, TailPolicy.PAD, TailPolicy.KEEP]),
    samples=st.integers(100, 20_000),
    block=st.integers(1, 7000),
)
def test_segments_are_slices_of_the_signal(
    count: int | None, length_s: float, overlap: float, rest: TailPolicy, samples: int, block: int
) -> None:
    y = tones_and_noise(samples)
    config = FeatureConfig(feature=Feature.WAVEFORM)
    segmentation = Segmentation(count, None if count else length_s, overlap, rest)
    sizes = segmentation.sizes(samples, RATE)
    expected_count = segment_count(samples, sizes, rest, count)
    if expected_count < 1 and rest is TailPolicy.DROP:
        with pytest.raises(SignalError):
            extract_segments(in_blocks(y, block), [config], sizes, segmentation)
        return
    segments = extract_segments(in_blocks(y, block), [config], sizes, segmentation)
    assert len(segments.data) == expected_count
    if count and rest is TailPolicy.DROP:
        assert len(segments.data) == count
    zeros = np.zeros(sizes.length, dtype=np.float32)
    for i, data in enumerate(segments.data):
        expected = np.concatenate([y[i * sizes.hop :], zeros])[: sizes.length]
        np.testing.assert_array_equal(data[:, 0], expected)
    if segments.rest is not None:
        np.testing.assert_array_equal(segments.rest[:, 0], y[len(segments.data) * sizes.hop :])


@settings(max_examples=60, deadline=None)
@given(
    length_s=st.floats(0.01, 0.6),
    overlap=st.sampled_from([0.0, 0.1, 0.5, 0.9]),
    samples=st.integers(1, 20_000),
    block=st.integers(1, 7000),
)
def test_overlap_gives_what_a_model_is_fed(length_s: float, overlap: float, samples: int, block: int) -> None:
    y = tones_and_noise(samples)
    config = FeatureConfig(feature=Feature.WAVEFORM)
    segmentation = Segmentation(None, length_s, overlap, TailPolicy.OVERLAP)
    sizes = segmentation.sizes(samples, RATE)
    segments = extract_segments(in_blocks(y, block), [config], sizes, segmentation)
    fed = list(cut_samples([y], sizes))
    np.testing.assert_array_equal(segments.data[..., 0], [each.samples for each in fed])
    assert segments.starts == tuple(each.start for each in fed)
    assert len(fed) == segment_count(samples, sizes, TailPolicy.OVERLAP)


def test_overlap_keeps_channels() -> None:
    y = tones_and_noise(2 * 700).reshape(-1, 2)
    config = FeatureConfig(feature=Feature.WAVEFORM, sample_rate=1000)
    for length_s, start in ((0.4, 300), (1.0, 0)):
        segmentation = Segmentation(length_s=length_s, rest=TailPolicy.OVERLAP)
        sizes = segmentation.sizes(700, 1000)
        segments = extract_segments(in_blocks(y, 99), [config], sizes, segmentation)
        expected = np.concatenate([y[start:], y])[: sizes.length]
        np.testing.assert_array_equal(segments.data[-1, :, 0], expected)


def test_few_samples_are_held_however_long_the_segments() -> None:
    class Counter:
        def push(self, block: NDArray[np.float32], /) -> None:
            pass

        def finish(self, start: int, valid: int, /) -> int:
            return start

    block = np.zeros(1000, dtype=np.float32)
    for tail, most in ((TailPolicy.DROP, 1000), (TailPolicy.OVERLAP, 101_000)):
        splitter = Splitter(SegmentConfig(length=100_000, hop=50_000), Counter, tail=tail)
        for _ in range(1000):
            list(splitter.push(block))
            assert sum(map(len, splitter._recent)) <= most


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"count": 0}, "`segments` must be at least 1"),
        ({"length_s": 0.0}, "`segment` must be above 0 s"),
        ({"count": 2, "overlap": 1.0}, "`overlap` must be 0 or more and below 1"),
        ({"count": 2, "overlap": -0.1}, "`overlap` must be 0 or more and below 1"),
        ({}, "give either `segments`"),
        ({"count": 2, "rest": TailPolicy.OVERLAP}, "`rest=overlap` is for `segment`"),
        ({"count": 2, "length_s": 1.0}, "give either `segments`"),
    ],
)
def test_what_makes_no_sense_is_refused(kwargs: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Segmentation(**kwargs)  # type: ignore[arg-type]  # the test's own keywords
