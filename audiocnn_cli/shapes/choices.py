"""What the options of `audiocnn shapes` can be set to. Cheap to import: a command reads it for its help."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from audiocnn_cli.errors import UsageError

LIST = "list"  # in place of a name: print all of them
ARCHITECTURES = Path(__file__).parent / "architectures"
Choice = TypeVar("Choice", bound=StrEnum)


class Framework(StrEnum):
    """The framework whose rules apply."""

    KERAS = "keras"
    TORCH = "torch"
    ONNX = "onnx"

    @property
    def label(self) -> str:
        """Its name as its documentation writes it."""
        return {"keras": "Keras", "torch": "PyTorch", "onnx": "ONNX"}[self.value]


class CodeFor(StrEnum):
    """The framework whose code is printed."""

    KERAS = "keras"
    TORCH = "torch"


class Like(StrEnum):
    """The kind of input: how many axes it has, and their names."""

    SPECTROGRAM = "spectrogram"
    WAVEFORM = "waveform"
    IMAGE = "image"
    TOKENS = "tokens"

    @property
    def axes(self) -> tuple[str, ...]:
        """The names of its axes without the channels."""
        return {
            "spectrogram": ("time", "frequency"),
            "waveform": ("time",),
            "image": ("height", "width"),
            "tokens": ("position",),
        }[self.value]

    def axis_name(self, axis: int) -> str:
        """The name of an axis, counted from 0."""
        ordinals = ("first", "second", "third", "fourth", "fifth", "sixth")
        return (*self.axes, *ordinals[len(self.axes) :], *[f"{axis + 1}th"] * axis)[axis]


class FrameRule(StrEnum):
    """How the frames of a clip are counted."""

    HOPS = "hops"
    CENTERED = "centered"
    INSIDE = "inside"


class PoolKind(StrEnum):
    """The pooling of a single layer given by options."""

    MAX = "max"
    AVG = "avg"


@dataclass(frozen=True, kw_only=True)
class ClipRequest:
    """A clip in place of an input shape: its length, and how it is cut into frames.

    Lengths in samples, rates in Hz. None stands for the default: 22050 Hz, hop 512, 2048-sample frames,
    13 MFCCs, centred frames.
    """

    seconds: float | None = None
    samples: int | None = None
    sample_rate: int | None = None
    hop_length: int | None = None
    n_fft: int | None = None
    n_mfcc: int | None = None
    n_mels: int | None = None
    stft: bool = False
    frames: FrameRule | None = None


def architecture_names() -> tuple[str, ...]:
    """The names of all architectures, sorted."""
    return tuple(sorted(path.stem for path in ARCHITECTURES.glob("*.toml")))


def read_choice(what: str, value: Any, choices: type[Choice]) -> Choice:
    """The member of `choices` whose value is `value`.

    Raises:
        UsageError: there is none; the message begins with `what`.
    """
    try:
        return choices(value)
    except ValueError:
        raise UsageError(f"{what}: must be one of {', '.join(choices)}") from None
