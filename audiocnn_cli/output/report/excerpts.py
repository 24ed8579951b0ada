"""Excerpts of clips as MP3, for a page on which many clips can be played: the first ones that fit."""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import soundfile

from audiocnn_cli.audio.decode import open_audio
from audiocnn_cli.audio.load import Excerpt, mono_blocks
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.errors import InputError
from audiocnn_cli.output.report.sound import SAMPLE_RATE, Mp3

# Of all excerpts together; in base64 they take a third more.
MOST_BYTES = 12_000_000
# A clip of up to LONGEST_S is embedded whole, of a longer one WINDOW_S.
LONGEST_S, WINDOW_S = 12.0, 10.0
# About 96 kbit/s for 5 s, and 48 kbit/s for 10 s.
_BYTES_OF_ONE = 64_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """A clip to be embedded; of a long one the part around `evidence_s`, its start and end in seconds."""

    key: int
    source: Source
    evidence_s: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class EmbeddedExcerpt:
    """`length_s` seconds from `start_s` on of a clip of `duration_s`, as an MP3 file."""

    mp3: bytes
    start_s: float
    length_s: float
    duration_s: float


def can_embed() -> bool:
    """Whether the installed libsndfile writes MP3, as versions from 1.1 on do."""
    return "MP3" in soundfile.available_formats()


def embed(wanted: Iterable[Wanted], *, most_bytes: int | None = None) -> dict[int, EmbeddedExcerpt]:
    """The excerpts by their keys, in the order wanted, as long as all of them fit into `most_bytes`.

    Clips that can't be read here, such as those of a cluster, are left out.
    """
    room = MOST_BYTES if most_bytes is None else most_bytes
    found: dict[int, EmbeddedExcerpt] = {}
    if not can_embed():
        return found
    jobs = os.cpu_count() or 1
    clips = iter(wanted)
    with ThreadPoolExecutor(jobs) as threads:
        while batch := list(islice(clips, 4 * jobs)):
            for each, excerpt in zip(batch, threads.map(_read, batch), strict=True):
                if excerpt is None:
                    continue
                room -= len(excerpt.mp3)
                if room < 0:
                    return found
                found[each.key] = excerpt
    return found


def window(duration_s: float, evidence_s: tuple[float, float] | None) -> tuple[float, float]:
    """Start and length in seconds of the part to embed: all, or a window centred on the evidence."""
    if duration_s <= LONGEST_S:
        return 0.0, duration_s
    start, end = evidence_s or (0.0, 0.0)
    begin = min(max(0.0, (start + end - WINDOW_S) / 2), duration_s - WINDOW_S)
    return begin, WINDOW_S


def _read(wanted: Wanted) -> EmbeddedExcerpt | None:
    try:
        with open_audio(wanted.source) as reader:
            duration_s = reader.info.duration_s
            start_s, length_s = window(duration_s, wanted.evidence_s)
            whole = length_s == duration_s
            excerpt = Excerpt() if whole else Excerpt(start_s, length_s)
            mp3 = Mp3(length_s, most_bytes=_BYTES_OF_ONE)
            samples = 0
            for block in mono_blocks(reader, sample_rate=SAMPLE_RATE, excerpt=excerpt):
                mp3.push(block)
                samples += len(block)
    except (InputError, OSError):
        return None
    return EmbeddedExcerpt(mp3.finish(), start_s, samples / SAMPLE_RATE, duration_s)
