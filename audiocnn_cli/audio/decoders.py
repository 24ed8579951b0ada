"""Decoders: what all have in common, and libsndfile, which decodes nearly all formats."""

import io
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import IO, Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray

from audiocnn_cli.audio.flac import count_frames
from audiocnn_cli.audio.native_messages import collected
from audiocnn_cli.errors import FailureKind, SignalError

# The bytes behind the last frame of FLAC that are searched for more.
_FOLLOWING = 1 << 18
# libsndfile's number of frames where the header states none is near 2^63.
_UNKNOWN_FRAMES = 1 << 60
# Samples before the one that is sought: a frame takes bits from up to nine before it, and overlaps one.
_MPEG_PREROLL = 16 * 1152


class DecodingError(Exception):
    """Decoding failed; the message is the library's."""


@contextmanager
def decoding_errors(*kinds: type[Exception]) -> Iterator[None]:
    """Errors of these kinds as a `DecodingError`, without error number and file name."""
    try:
        yield
    except kinds as error:
        message = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
        if "does not exist" in message:  # libsndfile means a header of zero length, among others
            message = "its header can't be read"
        raise DecodingError(message) from error


class Decoder(Protocol):
    """An open recording: its properties, and the samples from the current position.

    `frames` is 0 where the length is not known before the end, and may be another one without `exact_length`.
    A recording of fewer than `least_frames` is truncated. `messages` are lines that the library has printed.
    """

    sample_rate: int
    channels: int
    frames: int
    least_frames: int
    exact_length: bool
    format: str
    subtype: str
    messages: dict[str, None]

    def seek(self, frame: int) -> None:
        """Seek to sample `frame` of each channel."""

    def read(self, frames: int) -> NDArray[np.float32]:
        """The next samples, shape (n, channels), n <= frames; none at the end."""

    def close(self) -> None:
        """Close the file."""


class SoundFileDecoder:
    """libsndfile, through soundfile."""

    def __init__(self, stream: IO[bytes] | io.RawIOBase) -> None:
        # libsndfile reads a descriptor faster than through callbacks.
        self._file = stream if isinstance(stream, io.FileIO) else None
        handle = os.dup(stream.fileno()) if isinstance(stream, io.FileIO) else stream
        self.messages: dict[str, None] = {}
        with decoding_errors(soundfile.LibsndfileError), collected(self.messages):
            self._sound = soundfile.SoundFile(handle)
        self._seeks = self._sound.seekable()
        # soundfile seeks to the current position after every read where it can. An MP3 decoder starts anew
        # then, and is off by 1e-5 for some frames.
        self._sound.seekable = lambda: False
        self.sample_rate: int = self._sound.samplerate
        self.channels: int = self._sound.channels
        self.format: str = self._sound.format
        self.subtype: str = self._sound.subtype
        known = self._sound.frames < _UNKNOWN_FRAMES
        self.frames: int = self._sound.frames if known else 0
        # The length of an MP3 is by its header frame, or an estimate.
        self.is_mpeg = self.format == "MP3" or self.subtype.startswith("MPEG")
        self.exact_length = known and not self.is_mpeg
        self.least_frames = self.frames if self.exact_length else 0
        self._at = 0

    def seek(self, frame: int) -> None:
        """Seek to sample `frame` of each channel."""
        if frame == self._at:
            return
        # The first frames of MPEG audio after a seek depend on those before it.
        entry = max(0, frame - _MPEG_PREROLL) if self.is_mpeg else frame
        if self._seeks:
            with decoding_errors(soundfile.LibsndfileError), self._quietly():
                self._at = self._sound.seek(entry)
        while self._at < frame and len(self.read(min(frame - self._at, _MPEG_PREROLL))):
            pass
        if self._at != frame:
            raise DecodingError("it can't be read from there")

    def read(self, frames: int) -> NDArray[np.float32]:
        """The next samples, shape (n, channels), n <= frames; none at the end.

        Raises:
            SignalError: a FLAC file goes on after the samples that its header states.
        """
        if self.exact_length:  # a tag behind the last frame of FLAC would be an error
            frames = min(frames, max(0, self.frames - self._at))
        with decoding_errors(soundfile.LibsndfileError), self._quietly():
            block: NDArray[np.float32] = self._sound.read(frames, dtype="float32", always_2d=True)
        self._at += len(block)
        if self.format == "FLAC" and self.exact_length and len(block) and self._at == self.frames:
            self._require_end()
        return block

    def _require_end(self) -> None:
        """Check that no frames of FLAC follow those that the header states, which libsndfile leaves out.

        libFLAC reads 8 KiB ahead, and has read all of a file that it has decoded to its end.
        """
        if self._file is None or not self._file.seekable():
            return
        position = self._file.tell()
        following = self._file.read(_FOLLOWING)
        self._file.seek(position)
        if following and count_frames(following) > 1:
            after = f"the {self.frames / self.sample_rate:.2f} s that its header states"
            raise SignalError(FailureKind.CORRUPT, f"goes on after {after}; encode it again")

    def close(self) -> None:
        """Close the file."""
        with self._quietly():
            self._sound.close()

    def _quietly(self) -> AbstractContextManager[None]:
        return collected(self.messages) if self.is_mpeg else nullcontext()
