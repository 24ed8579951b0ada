"""Cutting a stream into segments: nothing lost, nothing invented, the same for any blocks."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from audiocnn_cli.audio.segments import Cutter, Ending, Segment, SegmentConfig, TailHandling, cut

LENGTH = 10


def cut_whole(samples: int, *, block: int = 10**6, hop: int = LENGTH) -> tuple[list[Segment], Ending]:
    signal = np.arange(samples, dtype=np.float32)
    cutter = Cutter(SegmentConfig(length=LENGTH, hop=hop))
    segments: list[Segment] = []
    for start in range(0, samples, block):
        segments += cutter.push(signal[start : start + block])
    ending = cutter.finish()
    return segments + ([ending.segment] if ending.segment else []), ending


def listed(segments: list[Segment]) -> list[tuple[int, int, list[float]]]:
    return [(s.start, s.valid, s.samples.tolist()) for s in segments]


def ramp(start: int, stop: int) -> NDArray[np.float32]:
    return np.arange(start, stop, dtype=np.float32)


def test_whole_segments_leave_no_rest() -> None:
    segments, ending = cut_whole(30)
    assert [s.start for s in segments] == [0, 10, 20]
    assert (ending.samples, ending.rest, ending.rest_samples) == (30, TailHandling.NONE, 0)


def test_a_rest_of_half_a_segment_ends_with_the_clip() -> None:
    (*_, last), ending = cut_whole(25)
    assert (last.start, ending.rest, ending.rest_samples) == (15, TailHandling.OVERLAPPED, 5)
    assert last.samples.tolist() == ramp(15, 25).tolist()


def test_a_shorter_rest_is_dropped_and_reported() -> None:
    segments, ending = cut_whole(24)
    assert [s.start for s in segments] == [0, 10]
    assert (ending.samples, ending.rest, ending.rest_samples) == (24, TailHandling.DROPPED, 4)


def test_a_short_clip_is_repeated() -> None:
    (segment,), ending = cut_whole(4)
    assert segment.samples.tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]
    assert (segment.valid, ending.rest, ending.rest_samples) == (4, TailHandling.REPEATED, 4)


def test_no_samples_no_segments() -> None:
    assert cut_whole(0) == ([], Ending(0))


def test_a_segment_comes_with_its_last_sample() -> None:
    cutter = Cutter(SegmentConfig(length=LENGTH, hop=LENGTH))
    assert list(cutter.push(ramp(0, 9))) == []
    assert [s.start for s in cutter.push(ramp(9, 10))] == [0]


@given(samples=st.integers(1, 95), block=st.integers(1, 40), hop=st.integers(1, LENGTH))
def test_blocks_do_not_matter_and_samples_are_the_clip_s_own(samples: int, block: int, hop: int) -> None:
    segments, ending = cut_whole(samples, block=block, hop=hop)
    assert listed(segments) == listed(cut_whole(samples, hop=hop)[0])
    assert all(len(s.samples) == LENGTH for s in segments)
    for segment in segments:
        own = ramp(segment.start, segment.start + segment.valid)
        assert segment.samples[: segment.valid].tolist() == own.tolist()
    last = segments[-1]
    uncovered = samples - (last.start + last.valid)
    assert uncovered == (ending.rest_samples if ending.rest is TailHandling.DROPPED else 0)
    assert uncovered < LENGTH / 2


@pytest.mark.parametrize(("samples", "first"), [(1, 499), (400, 300), (999, 0)])
def test_a_short_clip_is_centred_between_zeros(samples: int, first: int) -> None:
    config = SegmentConfig(length=1000, hop=1000, pad_short=True)
    clip = np.arange(1, samples + 1, dtype=np.float32)
    (segment,) = cut(np.array_split(clip, 3), config)
    assert (segment.start, segment.valid, segment.first) == (0, samples, first)
    expected = np.zeros(1000, dtype=np.float32)
    expected[first : first + samples] = clip
    np.testing.assert_array_equal(segment.samples, expected)


def test_padding_leaves_the_tail_of_a_longer_clip_as_it_is() -> None:
    config = SegmentConfig(length=1000, hop=1000)
    clip = np.arange(1700, dtype=np.float32)
    padded = list(cut([clip], replace(config, pad_short=True)))
    for segment, expected in zip(padded, cut([clip], config), strict=True):
        assert (segment.start, segment.valid, segment.first) == (expected.start, expected.valid, 0)
        np.testing.assert_array_equal(segment.samples, expected.samples)
