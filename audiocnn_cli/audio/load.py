"""Mono float32 samples at a given rate, in blocks or whole."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.audio.decode import AudioInfo, AudioReader, open_audio
from audiocnn_cli.audio.resample import resample_blocks, resampled_length
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.errors import FailureKind, InputError, UsageError

# The most that `load` holds in memory: 4 GiB of samples, 13.5 hours at 22050 Hz.
_MOST_SAMPLES = 1 << 30
# Three centuries; its samples are counted exactly at any rate.
_LONGEST_S = 1e10


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The part of a recording to read: `duration_s` seconds (None: to its end) from `offset_s` on."""

    offset_s: float = 0.0
    duration_s: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.offset_s <= _LONGEST_S:
            raise UsageError(f"`offset` must be 0 to {_LONGEST_S:g} s, not {self.offset_s}")
        if self.duration_s is not None and not 0 < self.duration_s <= _LONGEST_S:
            rule = f"must be above 0 and at most {_LONGEST_S:g} s"
            raise UsageError(f"`duration` {rule}, not {self.duration_s}")

    def span(self, info: AudioInfo) -> tuple[int, int | None]:
        """The first frame at the recording's own rate, and how many; None for all that follow.

        Raises:
            InputError: it starts at or behind an end that is known, or holds no whole sample.
        """
        # Cut to whole frames as `librosa.load` does.
        start = int(self.offset_s * info.sample_rate)
        if info.exact_length and start >= info.frames and start > 0:
            message = f"ends at {info.duration_s:.2f} s, before the offset of {self.offset_s:g} s"
            raise InputError(info.path, FailureKind.TOO_SHORT, message)
        if self.duration_s is None:
            return start, None
        frames = int(self.duration_s * info.sample_rate)
        if not frames:
            message = f"at {info.sample_rate} Hz no sample lies within {self.duration_s:g} s"
            raise InputError(info.path, FailureKind.TOO_SHORT, message)
        return start, frames

    def frames(self, reader: AudioReader) -> int:
        """The number of frames, at the recording's own rate.

        They are counted, which reads the recording, where its header does not state them.

        Raises:
            InputError: as `span`; as `AudioReader.blocks` where they are counted.
        """
        info = reader.info
        start, wanted = self.span(info)
        if info.exact_length or (info.format == "MP3" and info.frames > start):
            return min(info.frames - start, info.frames if wanted is None else wanted)
        return sum(map(len, reader.blocks(start=start, frames=wanted)))


WHOLE = Excerpt()


@dataclass(frozen=True, slots=True)
class Signal:
    """A recording in memory: `samples` of shape (n,), float32, at `sample_rate` Hz."""

    samples: NDArray[np.float32]
    sample_rate: int


def load(source: Source, *, sample_rate: int | None = None, excerpt: Excerpt = WHOLE) -> Signal:
    """Read `source`, mixed down to mono and resampled to `sample_rate` (None: its own).

    Equal to `librosa.load(path, sr=sample_rate, offset=..., duration=...)`: the mean of the channels, then
    soxr's HQ resampler.

    Raises:
        InputError: the source can't be used; its `kind` is the reason.
    """
    with open_audio(source) as reader:
        info = reader.info
        rate = sample_rate or info.sample_rate
        if info.exact_length:
            frames = excerpt.frames(reader)
            held = resampled_length(frames, source_rate=info.sample_rate, sample_rate=rate)
            _require_room(source, held, rate)
        blocks, held = [], 0
        for block in mono_blocks(reader, sample_rate=rate, excerpt=excerpt):
            held += len(block)
            _require_room(source, held, rate)
            blocks.append(block)
        return Signal(np.concatenate(blocks), rate)


def _require_room(source: Source, samples: int, sample_rate: int) -> None:
    if samples > _MOST_SAMPLES:
        message = f"is {samples} samples or more at {sample_rate} Hz, and {_MOST_SAMPLES} are held at once"
        raise InputError(source.path, FailureKind.TOO_LARGE, f"{message}; take a part of it")


def mono_blocks(
    reader: AudioReader, *, sample_rate: int, excerpt: Excerpt = WHOLE
) -> Iterator[NDArray[np.float32]]:
    """Yield the recording as arrays of shape (n,), float32, mixed down to mono, at `sample_rate` Hz.

    The arrays have any length; together they are what `load` gives.

    Raises:
        InputError: as `AudioReader.blocks`.
    """
    mixed = map(mix_down, _source_blocks(reader, excerpt))
    return resample_blocks(mixed, source_rate=reader.info.sample_rate, sample_rate=sample_rate)


def channel_blocks(
    reader: AudioReader, *, sample_rate: int, excerpt: Excerpt = WHOLE
) -> Iterator[NDArray[np.float32]]:
    """As `mono_blocks`, with the channels kept: arrays of shape (n, channels)."""
    blocks = _source_blocks(reader, excerpt)
    return resample_blocks(blocks, source_rate=reader.info.sample_rate, sample_rate=sample_rate)


def _source_blocks(reader: AudioReader, excerpt: Excerpt) -> Iterator[NDArray[np.float32]]:
    start, frames = excerpt.span(reader.info)
    return reader.blocks(start=start, frames=frames)


def mix_down(block: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean over the channels of a block of shape (n, channels): shape (n,)."""
    channels = block.shape[1]
    if channels == 1:
        return block[:, 0]
    # A product with equal weights is 20 times as fast as mean(axis=1) on interleaved samples.
    return block @ np.full(channels, 1 / channels, dtype=np.float32)
