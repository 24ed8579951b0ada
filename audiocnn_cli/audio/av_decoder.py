"""FFmpeg, through PyAV (the [av] extra), for what libsndfile does not decode."""

import errno
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiocnn_cli.audio.contents import DEMULTIPLEXERS
from audiocnn_cli.audio.decoders import DecodingError, decoding_errors

# Up to here, decoding from the beginning is about as fast as seeking.
_NEAR_S = 10.0
# Formats whose header states the length of the sound track; a codec may fill its last frame, or not.
_STATED = ("flac", "mov", "wv", "tta", "ape", "aiff", "caf", "w64")
_SLACK_S = 0.25


class _Seekable:
    """A file whose `seek` raises nothing: PyAV prints the traceback of what its callbacks raise."""

    def __init__(self, stream: Any) -> None:
        self.read, self.tell, self._seek = stream.read, stream.tell, stream.seek

    def seek(self, offset: int, whence: int = 0) -> int:
        """The new position, or a negative error number as FFmpeg expects it."""
        try:
            return int(self._seek(offset, whence))
        except (OSError, ValueError):  # damaged files refer to what is before their beginning
            return -errno.EINVAL


class AvDecoder:
    """The first sound track of anything that FFmpeg reads; `options` are those of `av.open`."""

    exact_length = False

    def __init__(self, stream: Any, **options: Any) -> None:
        self._stream = _Seekable(stream) if hasattr(stream, "seek") else stream
        self._options = options
        self.messages: dict[str, None] = {}
        self._begin(0)
        codec, length = self._track.codec_context, self._track.duration
        self.sample_rate: int = codec.sample_rate
        self.channels: int = codec.layout.nb_channels
        self._exact_times = self._track.time_base * self.sample_rate == 1
        microseconds = self._container.duration or 0
        seconds = microseconds / 1_000_000 if length is None else length * self._track.time_base
        self.frames = int(seconds * self.sample_rate)
        self.format: str = self._container.format.name
        self.subtype: str = codec.name
        stated = length is not None and self.format.startswith(_STATED)
        self.least_frames = max(0, self.frames - int(_SLACK_S * self.sample_rate)) if stated else 0

    def _begin(self, frame: int) -> None:
        """Open the stream, which is at its start, to decode it from sample `frame` on."""
        import av

        containers = {"format_whitelist": DEMULTIPLEXERS}
        with decoding_errors(av.FFmpegError, ValueError, OSError):
            self._container: Any = av.open(self._stream, container_options=containers, **self._options)
        if not self._container.streams.audio:
            raise DecodingError("it has no sound track")
        self._track = self._container.streams.audio[0]
        codec = self._track.codec_context
        if codec is None:
            raise DecodingError("its codec is not known")
        if not (codec.sample_rate and codec.layout.nb_channels):
            raise DecodingError("it states no sample rate or no channels")
        self._blocks = self._decode(frame)
        self._left: NDArray[np.float32] | None = None
        self._at = frame

    def seek(self, frame: int) -> None:
        """Seek to sample `frame` of each channel."""
        if frame != self._at:
            # Only a new decoder leaves out the encoder's padding before the first sample.
            self._container.close()
            self._stream.seek(0)
            self._begin(frame)

    def read(self, frames: int) -> NDArray[np.float32]:
        """The next samples, shape (n, channels), n <= frames; none at the end."""
        block = self._left if self._left is not None else next(self._blocks, None)
        if block is None:
            return np.zeros((0, self.channels), dtype=np.float32)
        self._left = block[frames:] if len(block) > frames else None
        self._at += min(frames, len(block))
        return block[:frames]

    def _decode(self, first: int) -> Iterator[NDArray[np.float32]]:
        """Blocks from sample `first` on."""
        import av

        # Interleaved: of eight planes and more PyAV reads beyond the memory of the frame.
        resampler = av.AudioResampler(format="flt")
        position = 0
        # A lossy codec needs a second of preceding audio to decode exactly. Near the beginning, and where a
        # container does not count time in samples, decoding starts at the beginning.
        entry_s = first / self.sample_rate - 1.0
        with decoding_errors(av.FFmpegError, OSError):
            sought = self._exact_times and entry_s > _NEAR_S
            if sought:
                begin = next(self._container.decode(self._track)).pts or 0
                self._container.seek(int(entry_s * 1_000_000))
            for coded in self._container.decode(self._track):
                self._require_same(coded)
                for frame in resampler.resample(coded):
                    if sought:
                        position, sought = (frame.pts or 0) - begin, False
                    block = frame.to_ndarray().reshape(-1, self.channels)
                    skipped = max(0, first - position)
                    position += len(block)
                    if skipped < len(block):
                        yield block[skipped:]

    def _require_same(self, frame: Any) -> None:
        rate, channels = frame.sample_rate, frame.layout.nb_channels
        if (rate, channels) != (self.sample_rate, self.channels):
            old = f"{self.sample_rate} Hz, {self.channels} channels"
            raise DecodingError(f"it changes from {old} to {rate} Hz, {channels} channels")

    def close(self) -> None:
        """Close the file."""
        self._container.close()
