"""Signals of a type of sound, and bundled models that tell the types apart: a gate and one for each type."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.onnx_models import CONTRACT, FRAMES, write_good_model, write_model

RATE = 8000
GENRES = ("hum", "hiss", "howl")
SOUNDS = ("rain", "wind", "sea")


def tone(frequency: float, seconds: float = 1.5) -> NDArray[np.float64]:
    """A sine at -13 dB of full scale RMS."""
    t = np.arange(round(seconds * RATE)) / RATE
    return np.asarray(0.3 * np.sin(2 * np.pi * frequency * t))


def music(seconds: float = 1.5) -> NDArray[np.float64]:
    """What the gate takes for music: a low tone."""
    return tone(300, seconds)


def speech(seconds: float = 1.5) -> NDArray[np.float64]:
    """What the gate takes for speech: a high tone."""
    return tone(3700, seconds)


def weather(seconds: float = 1.5) -> NDArray[np.float64]:
    """What the gate takes for the environment: a tone between them."""
    return tone(1500, seconds)


def unclear(seconds: float = 1.5) -> NDArray[np.float64]:
    """What the gate can't tell, though music is the most probable: white noise and a soft low tone."""
    return 0.1 * np.random.default_rng(0).standard_normal(round(seconds * RATE)) + 0.15 * music(seconds)


def write_bundled(folder: Path) -> Path:
    """A gate and models for its types in a new `folder`: by the second and the third MFCC."""
    folder.mkdir()
    matrix = np.zeros((FRAMES, 7, 3), dtype=np.float32)
    matrix[:, 1, :] = np.array([0.2, -0.2, 0.0]) / FRAMES
    matrix[:, 2, :] = np.array([0.0, 0.0, -0.3]) / FRAMES
    golden = replace(CONTRACT.golden, probabilities=(1 / 3, 1 / 3, 1 / 3))
    gate = replace(CONTRACT, name="sound-type", labels=("music", "speech", "environment"), golden=golden)
    write_model(folder / "sound-type.onnx", gate, matrix=matrix.reshape(FRAMES * 7, 3))
    for name, kind, labels in (
        ("digits", "speech", ("one", "two", "three")),
        ("genre", "music", GENRES),
        ("genre-small", "music", GENRES),
        ("environment", "environment", SOUNDS),
    ):
        contract = replace(CONTRACT, name=name, sound_type=kind, labels=labels)
        write_good_model(folder / f"{name}.onnx", contract)
    return folder
