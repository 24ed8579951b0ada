"""What a label rests on, in sentences."""

from collections.abc import Iterator

from audiocnn_cli.inspection.occlusion import Span, Why

# A smaller drop is reported as "no single part".
_SMALL_DROP = 0.05


def where(span: Span) -> str:
    """Times and frequencies of a region: `12.0-13.5 s, 300-1,200 Hz`."""
    digits = 1 if span.end_s - span.start_s >= 1 else 2
    times = f"{span.start_s:.{digits}f}-{span.end_s:.{digits}f} s"
    return f"{times}, {span.low_hz:,.0f}-{span.high_hz:,.0f} Hz"


def falls(span: Span) -> str:
    """The probability without and with the attenuation: `from 0.91 to 0.35`."""
    return f"from {_probability(span.before)} to {_probability(span.after)}"


def sentences(why: Why) -> Iterator[str]:
    """The region with the largest drop, further ones, and which segments were not searched."""
    if not why.segments:
        yield f"{why.label} rests on nothing: the clip is silent"
    elif not why.spans:
        yield f"{why.label} rests on no single part: no attenuated part makes it less probable"
    else:
        first = why.spans[0]
        drop = f"attenuated by {why.decibels:g} dB, its probability there falls {falls(first)}"
        if first.before - first.after < _SMALL_DROP:
            yield (f"{why.label} rests on no single part; the largest drop is at {where(first)}: {drop}")
        else:
            yield f"{why.label} rests most on {where(first)}: {drop}"
    for span in why.spans[1:]:
        yield f"then on {where(span)}: {falls(span)}"
    if why.searched < why.segments:
        yield (
            f"searched: the {why.searched} of {why.segments} segments in which {why.label} is most probable"
        )


def _probability(value: float) -> str:
    """Two decimals, or up to four if fewer would round it to 0 or 1."""
    for digits in (2, 3, 4):
        if 10**-digits / 2 <= value <= 1 - 10**-digits / 2:
            return f"{value:.{digits}f}"
    return f"{value:.2f}"
