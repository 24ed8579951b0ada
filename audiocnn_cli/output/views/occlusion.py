"""What a label rests on, in sentences."""

from collections.abc import Iterator

from audiocnn_cli.inspection.occlusion import Span, Why

# Below this, what a part takes away is said to be little.
_LITTLE = 0.05


def where(span: Span) -> str:
    """12.0-13.5 s, 300-1,200 Hz."""
    digits = 1 if span.end_s - span.start_s >= 1 else 2
    times = f"{span.start_s:.{digits}f}-{span.end_s:.{digits}f} s"
    return f"{times}, {span.low_hz:,.0f}-{span.high_hz:,.0f} Hz"


def falls(span: Span) -> str:
    """From what to what the probability falls there."""
    return f"from {_share(span.before)} to {_share(span.after)}"


def sentences(why: Why) -> Iterator[str]:
    """The part that matters most, further ones, and what was not searched."""
    if not why.segments:
        yield f"{why.label} rests on nothing: there is only silence"
    elif not why.spans:
        yield f"{why.label} rests on no single part: none, turned down, makes it less probable"
    else:
        first = why.spans[0]
        loses = f"turned down by {why.decibels:g} dB, its probability there falls {falls(first)}"
        if first.before - first.after < _LITTLE:
            yield (
                f"{why.label} rests on no single part; the one that matters most is {where(first)}:"
                f" {loses}"
            )
        else:
            yield f"{why.label} rests most on {where(first)}: {loses}"
    for span in why.spans[1:]:
        yield f"then on {where(span)}: {falls(span)}"
    if why.searched < why.segments:
        yield (
            f"searched: the {why.searched} of {why.segments} segments in which {why.label} is most probable"
        )


def _share(probability: float) -> str:
    """Two decimals, and more where they would hide that it is not 0 or 1."""
    for digits in (2, 3, 4):
        if 10**-digits / 2 <= probability <= 1 - 10**-digits / 2:
            return f"{probability:.{digits}f}"
    return f"{probability:.2f}"
