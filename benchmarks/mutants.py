"""Short recordings in every container and codec, and damaged copies of them, for `fuzz.py`."""

import io
import random
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec

import numpy as np
import soundfile
from numpy.typing import NDArray

RATE = 22050
# Containers without a header of their own, and those that libsndfile only writes with a second file.
NOT_WRITTEN = ("RAW", "SD2")
SUFFIXES = {"WAVEX": ".wav", "MAT4": ".mat", "MAT5": ".mat"}
SUBTYPES = {
    "WAV": ("PCM_U8", "PCM_16", "PCM_24", "FLOAT", "DOUBLE", "ULAW", "IMA_ADPCM", "MS_ADPCM", "GSM610"),
    "AIFF": ("PCM_S8", "PCM_16", "PCM_24", "FLOAT", "ULAW", "IMA_ADPCM", "GSM610", "DWVW_12"),
    "CAF": ("PCM_16", "PCM_24", "FLOAT", "ALAC_16", "ALAC_24"),
    "AU": ("PCM_16", "FLOAT", "ULAW", "G721_32", "G723_24"),
    "W64": ("PCM_16", "FLOAT", "IMA_ADPCM"),
    "FLAC": ("PCM_S8", "PCM_16", "PCM_24"),
    "OGG": ("VORBIS", "OPUS"),
    "MP3": ("MPEG_LAYER_III", "MPEG_LAYER_II"),
}
# What PyAV writes and libsndfile does not read: suffix, container, codec.
CODECS = (
    (".m4a", "ipod", "aac"),
    (".m4a", "ipod", "alac"),
    (".aac", "adts", "aac"),
    (".webm", "webm", "libopus"),
    (".mka", "matroska", "flac"),
    (".wma", "asf", "wmav2"),
    (".ac3", "ac3", "ac3"),
    (".tta", "tta", "tta"),
    (".oga", "ogg", "flac"),
    (".mov", "mov", "pcm_s16le"),
)
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)


@dataclass(frozen=True)
class Original:
    """A valid file."""

    suffix: str
    data: bytes


@cache
def originals() -> tuple[Original, ...]:
    """A third of a second in every container and codec that can be written here."""
    rng = np.random.default_rng(0)
    t = np.arange(RATE // 3) / RATE
    mono = 0.3 * np.sin(2 * np.pi * 440 * t * (1 + t)) + 0.02 * rng.standard_normal(len(t))
    stereo = np.stack([mono, mono[::-1]], axis=1)
    return (*_by_libsndfile(mono, stereo), *_by_av(mono))


def _by_libsndfile(mono: NDArray[np.float64], stereo: NDArray[np.float64]) -> list[Original]:
    found = []
    for container in sorted(set(soundfile.available_formats()) - set(NOT_WRITTEN)):
        known = soundfile.available_subtypes(container)
        for number, subtype in enumerate(SUBTYPES.get(container, list(known)[:3])):
            if subtype not in known:
                continue
            for samples in (mono, stereo) if number < 2 else (mono,):
                stream = io.BytesIO()
                rate = 48000 if subtype == "OPUS" else RATE
                with suppress(RuntimeError, TypeError):  # a container with one channel or a fixed rate
                    soundfile.write(stream, samples, rate, format=container, subtype=subtype)
                    suffix = SUFFIXES.get(container, f".{container.lower()}")
                    found.append(Original(suffix, stream.getvalue()))
    return found


def _by_av(mono: NDArray[np.float64]) -> list[Original]:
    if not find_spec("av"):
        return []
    import av

    found = []
    for suffix, container, codec in CODECS:
        stream = io.BytesIO()
        with suppress(Exception):  # an FFmpeg without that encoder
            rate = 48000 if codec == "libopus" else 44100
            with av.open(stream, "w", format=container) as output:
                track = output.add_stream(codec, rate=rate, layout="mono")
                frame = av.AudioFrame.from_ndarray(
                    (mono * 32767).astype(np.int16)[None, :], format="s16", layout="mono"
                )
                frame.sample_rate = rate
                for packet in [*track.encode(frame), *track.encode(None)]:
                    output.mux(packet)
            found.append(Original(suffix, stream.getvalue()))
    return found


Mutation = Callable[[bytearray, Sequence[Original], random.Random], bytearray]


def _place(data: bytearray, random_: random.Random) -> int:
    """A position, in half of the cases in the first 200 bytes, where headers are."""
    reach = min(len(data), 200) if random_.random() < 0.5 else len(data)
    return random_.randrange(max(1, reach))


def flip_bits(data: bytearray, _: Sequence[Original], random_: random.Random) -> bytearray:
    """Up to 64 bits are others."""
    for _step in range(random_.choice((1, 2, 4, 16, 64))):
        data[_place(data, random_)] ^= 1 << random_.randrange(8)
    return data


def write_extremes(data: bytearray, _: Sequence[Original], random_: random.Random) -> bytearray:
    """Integers of 1 to 8 bytes, of either order, that are the largest, the smallest, or near a sign."""
    for _step in range(random_.choice((1, 1, 2, 4))):
        size, code = random_.choice(((1, "B"), (2, "H"), (4, "I"), (8, "Q")))
        value = random_.choice((*EXTREMES, random_.getrandbits(64))) & ((1 << 8 * size) - 1)
        at = _place(data, random_)
        packed = struct.pack(random_.choice("<>") + code, value)
        data[at : at + size] = packed[: max(0, len(data) - at)]
    return data


def cut(data: bytearray, _: Sequence[Original], random_: random.Random) -> bytearray:
    """The end is missing, or the beginning."""
    at = _place(data, random_)
    return data[at:] if random_.random() < 0.2 else data[:at]


def leave_out(data: bytearray, _: Sequence[Original], random_: random.Random) -> bytearray:
    """A part in the middle is missing."""
    at = _place(data, random_)
    del data[at : at + random_.choice((1, 2, 4, 64, 1024))]
    return data


def repeat(data: bytearray, _: Sequence[Original], random_: random.Random) -> bytearray:
    """A part is there twice, or many times."""
    at = _place(data, random_)
    part = data[at : at + random_.choice((1, 4, 16, 256))]
    data[at:at] = part * random_.choice((1, 1, 2, 100))
    return data


def splice(data: bytearray, others: Sequence[Original], random_: random.Random) -> bytearray:
    """The header of one file before the data of another."""
    other = random_.choice(others).data
    at = _place(data, random_)
    return data[:at] + other[random_.choice((at, _place(bytearray(other), random_), 0)) :]


def blank(data: bytearray, _: Sequence[Original], random_: random.Random) -> bytearray:
    """A part is all zeros, or all ones."""
    at, length = _place(data, random_), random_.choice((4, 32, 512, 4096))
    end = min(len(data), at + length)
    data[at:end] = random_.choice((b"\0", b"\xff")) * max(0, end - at)
    return data


MUTATIONS: tuple[Mutation, ...] = (flip_bits, write_extremes, cut, leave_out, repeat, splice, blank)


def mutated(files: Sequence[Original], random_: random.Random) -> tuple[str, bytes]:
    """The suffix and the content of a damaged file; one in twenty has the suffix of another format."""
    original = random_.choice(files)
    data = bytearray(original.data)
    for _step in range(random_.choice((1, 1, 1, 2, 3))):
        if data:
            data = random_.choice(MUTATIONS)(data, files, random_)
    suffix = random_.choice(files).suffix if random_.random() < 0.05 else original.suffix
    return suffix, bytes(data)
