"""The table of docs/formats.md: files of many formats, decoded here and by FFmpeg.

`python -m tests.formats_table` prints it.
"""

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

from audiocnn_cli.audio.av_decoder import AvDecoder
from audiocnn_cli.audio.decode import open_audio
from audiocnn_cli.audio.sources import Source
from tests.flac_files import flac_file

Samples = NDArray[np.float64]
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
HEAD = ("container", "codec", "bits", "channels", "rate", "decoded by", "length", "largest difference")


@dataclass(frozen=True)
class Case:
    """A file to write: `bits` is "" for lossy codecs."""

    container: str
    codec: str
    bits: str
    channels: int
    rate: int
    write: Callable[[Path, Samples, int], None]

    @property
    def name(self) -> str:
        """A name for it, also of the file."""
        return f"{self.container}-{self.codec}-{self.bits}-{self.channels}-{self.rate}".replace(" ", "_")


def _sndfile(format: str, subtype: str) -> Callable[[Path, Samples, int], None]:
    def write(path: Path, samples: Samples, rate: int) -> None:
        soundfile.write(path, samples, rate, format=format, subtype=subtype)

    return write


def _flac(bits: int, blocks: tuple[int, ...] = (4096,)) -> Callable[[Path, Samples, int], None]:
    def write(path: Path, samples: Samples, rate: int) -> None:
        whole = np.round(samples * (2 ** (bits - 1) - 1)).astype(np.int64)
        path.write_bytes(flac_file(whole, rate=rate, bits=bits, blocks=blocks))

    return write


def _av(format: str, codec: str, sample_format: str) -> Callable[[Path, Samples, int], None]:
    def write(path: Path, samples: Samples, rate: int) -> None:
        layout = LAYOUTS[samples.shape[1]]
        with av.open(str(path), "w", format=format) as container:
            stream: Any = container.add_stream(codec, rate=rate, layout=layout)
            stream.format = sample_format
            if codec == "wmav2":  # it has no bit rate of its own
                stream.bit_rate = 128_000
            values = np.ascontiguousarray(samples.astype(np.float32).reshape(1, -1))
            frame = av.AudioFrame.from_ndarray(values, format="flt", layout=layout)
            frame.rate, frame.pts = rate, 0
            packets = [stream.encode(each) for each in _frames(stream, sample_format, layout, rate, frame)]
            for packet in [*packets, stream.encode(None)]:
                container.mux(packet)

    return write


def _frames(stream: Any, sample_format: str, layout: str, rate: int, frame: Any) -> list[Any]:
    """`frame` in the encoder's sample format, in frames of any size."""
    resampler = av.AudioResampler(format=sample_format, layout=layout, rate=rate)
    return [*resampler.resample(frame), *resampler.resample(None)]


CASES = (
    *(
        Case("WAV", f"PCM{kind}", bits, channels, rate, _sndfile("WAV", subtype))
        for kind, bits, channels, rate, subtype in (
            ("", "8", 1, 8000, "PCM_U8"),
            ("", "16", 2, 44100, "PCM_16"),
            ("", "24", 6, 48000, "PCM_24"),
            ("", "32", 1, 192000, "PCM_32"),
            (", floating point", "32", 2, 96000, "FLOAT"),
            (", floating point", "64", 8, 44100, "DOUBLE"),
        )
    ),
    Case("WAV", "mu-law", "8", 1, 8000, _sndfile("WAV", "ULAW")),
    Case("WAV", "A-law", "8", 2, 8000, _sndfile("WAV", "ALAW")),
    Case("WAV", "MS ADPCM", "4", 1, 22050, _sndfile("WAV", "MS_ADPCM")),
    Case("WAV", "IMA ADPCM", "4", 1, 22050, _sndfile("WAV", "IMA_ADPCM")),
    Case("WAV", "GSM 6.10", "", 1, 8000, _sndfile("WAV", "GSM610")),
    Case("WAV", "MP3", "", 2, 44100, _av("wav", "libmp3lame", "fltp")),
    Case("WAV", "MP2", "", 2, 48000, _av("wav", "mp2", "s16")),
    Case("RF64", "PCM", "16", 2, 48000, _sndfile("RF64", "PCM_16")),
    Case("RF64", "PCM", "24", 8, 96000, _sndfile("RF64", "PCM_24")),
    Case("W64", "PCM", "24", 2, 44100, _sndfile("W64", "PCM_24")),
    Case("W64", "PCM, floating point", "32", 1, 48000, _sndfile("W64", "FLOAT")),
    Case("AIFF", "PCM", "16", 2, 44100, _sndfile("AIFF", "PCM_16")),
    Case("AIFF", "PCM", "24", 1, 96000, _sndfile("AIFF", "PCM_24")),
    Case("AIFF", "PCM, floating point", "32", 2, 48000, _sndfile("AIFF", "FLOAT")),
    Case("AU", "PCM", "16", 1, 22050, _sndfile("AU", "PCM_16")),
    Case("AU", "mu-law", "8", 1, 8000, _sndfile("AU", "ULAW")),
    Case("AU", "PCM, floating point", "32", 2, 48000, _sndfile("AU", "FLOAT")),
    Case("CAF", "PCM", "16", 2, 44100, _sndfile("CAF", "PCM_16")),
    Case("CAF", "PCM", "24", 6, 48000, _sndfile("CAF", "PCM_24")),
    Case("CAF", "ALAC", "16", 2, 44100, _sndfile("CAF", "ALAC_16")),
    Case("CAF", "ALAC of FFmpeg", "16", 2, 44100, _av("caf", "alac", "s16p")),
    Case("VOC", "PCM", "16", 1, 22050, _av("voc", "pcm_s16le", "s16")),
    Case("NIST SPHERE", "PCM", "16", 1, 16000, _sndfile("NIST", "PCM_16")),
    Case("IRCAM", "PCM", "16", 2, 44100, _sndfile("IRCAM", "PCM_16")),
    *(
        Case("FLAC", "FLAC", str(bits), channels, rate, _flac(bits))
        for bits, channels, rate in ((8, 1, 8000), (12, 1, 16000), (15, 2, 44100), (16, 2, 44100))
    ),
    Case("FLAC", "FLAC", "20", 8, 48000, _flac(20)),
    Case("FLAC", "FLAC", "24", 8, 96000, _flac(24)),
    Case("FLAC", "FLAC of variable block size", "16", 1, 192000, _flac(16, (16, 4096, 999))),
    Case("Ogg", "FLAC", "16", 2, 44100, _av("ogg", "flac", "s16")),
    Case("Ogg", "Vorbis", "", 2, 44100, _sndfile("OGG", "VORBIS")),
    Case("Ogg", "Opus", "", 1, 48000, _sndfile("OGG", "OPUS")),
    Case("MP3", "MPEG-1 layer III", "", 2, 44100, _sndfile("MP3", "MPEG_LAYER_III")),
    Case("MP3", "MPEG-2 layer III", "", 1, 22050, _sndfile("MP3", "MPEG_LAYER_III")),
    Case("MP3", "MPEG-2.5 layer III", "", 1, 8000, _sndfile("MP3", "MPEG_LAYER_III")),
    Case("MP2", "MPEG-1 layer II", "", 2, 48000, _av("mp2", "mp2", "s16")),
    Case("MP4", "AAC", "", 2, 44100, _av("mp4", "aac", "fltp")),
    Case("MP4", "AAC", "", 8, 48000, _av("mp4", "aac", "fltp")),
    Case("MP4", "ALAC", "16", 2, 44100, _av("mp4", "alac", "s16p")),
    Case("ADTS", "AAC", "", 1, 22050, _av("adts", "aac", "fltp")),
    Case("Matroska", "FLAC", "16", 2, 44100, _av("matroska", "flac", "s16")),
    Case("WebM", "Opus", "", 2, 48000, _av("webm", "libopus", "flt")),
    Case("WavPack", "WavPack", "16", 2, 44100, _av("wv", "wavpack", "s16p")),
    Case("TTA", "TTA", "16", 2, 44100, _av("tta", "tta", "s16")),
    Case("AC-3", "AC-3", "", 6, 48000, _av("ac3", "ac3", "fltp")),
    Case("ASF", "WMA 2", "", 2, 44100, _av("asf", "wmav2", "fltp")),
)


def tones(channels: int, rate: int, seconds: float = 1.3) -> Samples:
    """A tone in each channel, with some noise, between -0.8 and 0.8."""
    times = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(rate + channels).uniform(-0.1, 0.1, (len(times), channels))
    parts = [0.7 * np.sin(2 * np.pi * (300 + 100 * part) * times) for part in range(channels)]
    return np.stack(parts, axis=1) + noise


def by_ffmpeg(path: Path) -> NDArray[np.float32]:
    """The samples that FFmpeg decodes, shape (n, channels); it goes on after what it can't decode."""
    blocks = []
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="flt")
        for packet in container.demux(audio=0):
            try:
                decoded: Any = packet.decode()
            except av.error.InvalidDataError:
                continue
            for frame in decoded:
                parts = resampler.resample(frame)
                blocks += [each.to_ndarray().reshape(-1, each.layout.nb_channels) for each in parts]
    return np.concatenate(blocks)


def compared(case: Case, folder: Path) -> tuple[str, int, float]:
    """The library that decodes the file, its samples more than FFmpeg's, and the largest difference."""
    path = folder / case.name
    case.write(path, tones(case.channels, case.rate), case.rate)
    with open_audio(Source(str(path))) as reader:
        library = "FFmpeg (`[av]`)" if isinstance(reader._decoder, AvDecoder) else "libsndfile"
        assert (reader.info.channels, reader.info.sample_rate) == (case.channels, case.rate)
        mine = np.concatenate(list(reader.blocks()))
    theirs = by_ffmpeg(path)
    shorter = min(len(mine), len(theirs))
    difference = float(np.abs(mine[:shorter] - theirs[:shorter]).max())
    return library, len(mine) - len(theirs), difference


def row(case: Case, folder: Path) -> tuple[str, ...]:
    """The cells of a case."""
    library, longer, difference = compared(case, folder)
    length = "equal" if longer == 0 else f"{longer:+d} samples"
    bound = "0" if difference == 0 else f"below {10.0 ** np.ceil(np.log10(difference)):.0e}"
    cells = (case.container, case.codec, case.bits, str(case.channels), str(case.rate), library)
    return (*cells, length, bound)


def table(folder: Path) -> str:
    """The table in Markdown."""
    rows = [HEAD, ("---",) * len(HEAD), *(row(case, folder) for case in CASES)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        sys.stdout.write(table(Path(name)))
