"""What a file holds by its first bytes, whatever its name is."""

from enum import Enum, auto

# The first bytes of a file that `content` needs.
HEAD = 1024

# Offset, bytes and name.
_MAGIC = (
    (0, b"RIFF", "WAV"),
    (0, b"RIFX", "WAV"),
    (0, b"RF64", "RF64"),
    (0, b"BW64", "BW64"),
    (0, b"riff.\x91\xcf\x11", "W64"),
    (0, b"fLaC", "FLAC"),
    (0, b"OggS", "Ogg"),
    (0, b"FORM", "AIFF"),
    (0, b"caff", "CAF"),
    (0, b".snd", "AU"),
    (0, b"dns.", "AU"),
    (0, b"NIST_1A", "NIST SPHERE"),
    (0, b"Creative Voice File", "VOC"),
    (4, b"ftyp", "MP4"),
    (4, b"moov", "QuickTime"),
    (4, b"mdat", "QuickTime"),
    (4, b"wide", "QuickTime"),
    (0, b"\x1a\x45\xdf\xa3", "Matroska or WebM"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "WMA or WMV"),
    (0, b"FLV\x01", "FLV"),
    (0, b"ADIF", "AAC"),
    (0, b"#!AMR", "AMR"),
    (0, b"\x0b\x77", "AC-3"),
    (0, b"\x7f\xfe\x80\x01", "DTS"),
    (0, b"MAC ", "Monkey's Audio"),
    (0, b"wvpk", "WavPack"),
    (0, b"TTA1", "TTA"),
    (0, b"tBaK", "TAK"),
    (0, b"MP+", "Musepack"),
    (0, b"MPCK", "Musepack"),
    (0, b"DSD ", "DSF"),
    (0, b"ajkg", "Shorten"),
    (0, b".RMF", "RealMedia"),
    (0, b"SOX", "SoX"),
    (0, b"XOS", "SoX"),
    (0, b"\x00\x00\x01\xba", "MPEG program stream"),
)
# They need a whole file: what they begin with refers to what follows later.
_WHOLE_FILES = frozenset(
    {"RF64", "BW64", "W64", "AIFF", "CAF", "NIST SPHERE", "VOC", "MP4", "QuickTime", "WMA or WMV", "DSF"}
    | {"WavPack", "Monkey's Audio", "Musepack", "TAK", "Shorten", "SoX", "RealMedia"}
)
# Formats of WAV samples: PCM, MS ADPCM, floating point, A-law, mu-law, IMA ADPCM, and the extensible header.
_WAV_FORMATS = (0x01, 0x02, 0x03, 0x06, 0x07, 0x11, 0xFFFE)
# Of FFmpeg's demultiplexers only these: others follow the links of a playlist to other files and hosts.
DEMULTIPLEXERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,iff,loas,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,"
    "mp3,mpc,mpc8,mpeg,mpegts,nistsphere,ogg,rm,shn,sox,tak,tta,voc,w64,wav,wv"
)


def content(head: bytes) -> str | None:
    """The name of the format that a file begins with, None where it is none of these.

    MPEG audio (MP3) has no such bytes: `mpeg` finds it by its frames.
    """
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "AVI"
    for offset, magic, name in _MAGIC:
        if head.startswith(magic, offset):
            return name
    # A frame of ADTS: the sync word of MPEG audio, with layer 0 (ISO 13818-7).
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return "AAC"
    # Packets of 188 bytes (ISO 13818-1).
    if len(head) > 2 * 188 and all(head[at] == 0x47 for at in (0, 188, 376)):
        return "MPEG transport stream"
    return None


class Pipe(Enum):
    """How the content of a pipe is decoded."""

    SNDFILE = auto()
    FFMPEG = auto()
    STORED = auto()


def pipe_of(format: str, head: bytes) -> Pipe:
    """How a pipe of that format is decoded: as it arrives, by one of the libraries, or once it is stored."""
    if format in _WHOLE_FILES:
        return Pipe.STORED
    if format == "WAV":
        at = head.find(b"fmt ")
        tag = int.from_bytes(head[at + 8 : at + 10], "big" if head[:4] == b"RIFX" else "little")
        return Pipe.SNDFILE if tag in _WAV_FORMATS else Pipe.STORED
    if format == "FLAC":  # bits of a sample, less 1 (RFC 9639)
        bits = 1 + ((head[20] & 1) << 4 | head[21] >> 4) if len(head) > 21 else 0
        return Pipe.SNDFILE if bits in (8, 16, 24) else Pipe.FFMPEG
    if format == "Ogg":
        begun = head[27 + head[26] :] if len(head) > 27 else b""
        return Pipe.SNDFILE if begun.startswith((b"\x01vorbis", b"OpusHead")) else Pipe.FFMPEG
    return Pipe.SNDFILE if format == "AU" else Pipe.FFMPEG
