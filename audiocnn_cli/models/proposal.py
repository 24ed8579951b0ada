"""The `audiocnn models add` command for a file without a contract, as far as its graph determines it."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audiocnn_cli.models.runtime import sizes

Size = int | str | None
# Numbers of mel bands in common use: of two fixed axes the one of such a size holds the bins.
_USUAL_BINS = frozenset({32, 40, 48, 64, 80, 96, 128, 229, 256})
# Fewer bins than this are more often cepstral coefficients than mel bands.
_FEWEST_MELS = 32


def proposal(path: Path, session: Any) -> str:
    """One sentence: `path` has no contract, the command that adds one, and which part of it is a guess.

    Words in capitals stand for what the graph does not determine.
    """
    shape: list[Size] = max((each.shape for each in session.get_inputs()), key=len, default=[])
    features, guess = _features_for(shape)
    outputs = {each.name: each.shape[-1] for each in session.get_outputs() if each.shape}
    counts = {name: f"{n} lines" for name, n in outputs.items() if isinstance(n, int)}
    choice = ["--output-name", "OUTPUT"] if len(outputs) > 1 else []
    command = ["audiocnn", "models", "add", str(path), "--labels", "LABELS.txt", "--sr", "RATE"]
    labels = " or ".join(f"{counts.get(name, 'lines')} for {name}" for name in outputs)
    return (
        f"{path}: has no contract, so its labels and features are unknown; add one:"
        f" `{shlex.join([*command, *features, *choice])}` (LABELS.txt: one label a line, {labels}; RATE: its"
        f" sample rate in Hz; {guess} the input {sizes(shape)})"
    )


def _features_for(shape: Sequence[Size]) -> tuple[list[str], str]:
    """The options of the features that fit an input, and what they are based on."""
    # The first axis is that of the segments, unless there are two and it has a fixed size.
    unbatched = len(shape) < 2 or (len(shape) == 2 and shape[0] != 1 and isinstance(shape[0], int))
    axes = [size for size in (shape if unbatched else shape[1:]) if size != 1]
    if len(axes) == 1:
        return ["--feature", "waveform"], "a waveform is guessed from"
    fixed = [size for size in axes if isinstance(size, int)]
    if len(axes) != 2 or not fixed:
        layout = ["--layout", "LAYOUT"] if len(axes) == 2 else []
        return ["--feature", "FEATURE", *layout], "neither the feature nor its bins are fixed by"
    usual = [size for size in fixed if size in _USUAL_BINS]
    bins = usual[0] if len(usual) == 1 else min(fixed)
    time = axes[1 - axes.index(bins)]
    mels = ["logmel", "--n-mels"] if bins >= _FEWEST_MELS else ["mfcc", "--n-mfcc"]
    layout = ["--layout", "LAYOUT"] if axes[0] == axes[1] else []
    frames = f"{time} frames" if isinstance(time, int) else "any number of frames"
    return ["--feature", *mels, str(bins), *layout], f"{bins} bins and {frames} are guessed from"
