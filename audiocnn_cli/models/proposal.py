"""The `audiocnn models add` command for a file without a contract, as far as its graph determines it."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from audiocnn_cli.models.runtime import sizes

# Numbers of mel bands in common use: among two fixed axes the one of such a size holds the bins.
_USUAL_BINS = frozenset({32, 40, 48, 64, 80, 96, 128, 229, 256})
# Fewer bins than this are more often cepstral coefficients than mel bands.
_FEWEST_MELS = 32


def proposal(path: Path, session: Any) -> str:
    """One sentence: `path` has no contract, the command that adds one, and what in it is a guess.

    Words in capitals stand for what the graph does not determine.
    """
    shape = _feature_shape(session)
    outputs = [each for each in session.get_outputs() if each.shape]
    words = ["audiocnn", "models", "add", shlex.quote(str(path)), "--labels", "LABELS.txt"]
    words += ["--sr", "RATE", *_feature_words(shape)]
    if len(outputs) > 1:
        words += ["--output-name", "OUTPUT"]
    notes = [*_label_notes(outputs), "RATE: its sample rate in Hz", *_feature_notes(shape)]
    return (
        f"{path}: has no contract, so its labels and features are unknown; add one: `{' '.join(words)}`"
        f" ({'; '.join(notes)})"
    )


def _feature_shape(session: Any) -> list[int | str | None]:
    """The shape of the input that takes the features: the one with the most axes."""
    shapes = [each.shape for each in session.get_inputs()]
    return max(shapes, key=len, default=[])


def _tensor_axes(shape: Sequence[int | str | None]) -> list[int | str | None]:
    """The axes beside those of the segments and those of size 1."""
    without_segments = shape[1:] if len(shape) > 1 and not _is_unbatched(shape) else shape
    return [size for size in without_segments if size != 1]


def _is_unbatched(shape: Sequence[int | str | None]) -> bool:
    """Whether a shape of two axes starts with a fixed size above 1: bins or frames of one segment."""
    return len(shape) == 2 and isinstance(shape[0], int) and shape[0] > 1


def _bins_of(axes: Sequence[int | str | None]) -> int | None:
    """The fixed size among two that holds the bins."""
    fixed = [size for size in axes if isinstance(size, int)]
    usual = [size for size in fixed if size in _USUAL_BINS]
    return usual[0] if len(usual) == 1 else min(fixed, default=None)


def _feature_words(shape: Sequence[int | str | None]) -> Iterator[str]:
    axes = _tensor_axes(shape)
    yield "--feature"
    if len(axes) == 1:
        yield "waveform"
        return
    bins = _bins_of(axes) if len(axes) == 2 else None
    if bins is None:
        yield "FEATURE"
    elif bins < _FEWEST_MELS:
        yield from ("mfcc", "--n-mfcc", str(bins))
    else:
        yield from ("logmel", "--n-mels", str(bins))
    if len(axes) == 2 and (bins is None or axes[0] == axes[1]):
        yield from ("--layout", "LAYOUT")


def _feature_notes(shape: Sequence[int | str | None]) -> Iterator[str]:
    axes = _tensor_axes(shape)
    bins = _bins_of(axes) if len(axes) == 2 else None
    text = f"guessed from the input {sizes(shape)}"
    if len(axes) == 1:
        length = f"{axes[0]} samples" if isinstance(axes[0], int) else "samples"
        yield f"{text}: {length} of a waveform"
    elif bins is not None:
        time = axes[1 - axes.index(bins)]
        frames = f"{time} frames" if isinstance(time, int) else "any number of frames"
        yield f"{text}: {bins} bins, {frames}"
    else:
        yield f"FEATURE: see `audiocnn features --help`; the input is {sizes(shape) or 'a number'}"


def _label_notes(outputs: Sequence[Any]) -> Iterator[str]:
    if len(outputs) == 1:
        yield f"LABELS.txt: {_lines(outputs[0].shape[-1])}"
        return
    yield "LABELS.txt: one label a line"
    each = (f"{output.name}, {_lines(output.shape[-1])}" for output in outputs)
    yield f"OUTPUT: {' or '.join(each) or 'its name'}"


def _lines(size: int | str | None) -> str:
    return f"{size} lines" if isinstance(size, int) else "one label a line"
