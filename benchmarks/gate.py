"""How often the gate makes a model abstain: python benchmarks/gate.py DATA [--gate NAME|FILE].

Prints a Markdown table: for each kind of recording below the folder DATA, the share of clips for which a
model of music, of speech and of environment abstains. Under the true type these are errors, under the others
correct. A clip that the gate was trained on is scored by the member that was not trained on it, or left out.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from audiocnn_cli.audio.decode import open_audio
from audiocnn_cli.audio.load import mono_blocks
from audiocnn_cli.audio.sources import Source, find_audio
from audiocnn_cli.batch.run import run_batch
from audiocnn_cli.batch.task import WithoutFiles
from audiocnn_cli.classify import SoundType
from audiocnn_cli.classify.gate import GATE_MODEL, mismatch, sound_type
from audiocnn_cli.evaluation.labelled import content_hash
from audiocnn_cli.features.extract import DECODE_AND_EXTRACT
from audiocnn_cli.models.inference import infer
from audiocnn_cli.models.registry import find_model
from audiocnn_cli.models.session import Model, open_model

TYPES = ("music", "speech", "environment")
# Folders of recordings, and their true type.
KINDS = {
    "gtzan": "music",
    "music_speech/music": "music",
    "music_speech/speech": "speech",
    "fsdd": "speech",
    "esc10": "environment",
}


@dataclass(frozen=True)
class Scored:
    """The type of a clip by a member that was not trained on it; None if there is none."""

    sound: SoundType | None


@dataclass(frozen=True)
class Gating(WithoutFiles):
    """The batch task: the type of sound by the gate at `path`."""

    path: Path
    modules: ClassVar[tuple[str, ...]] = DECODE_AND_EXTRACT

    def prepare(self) -> Callable[[Source], Scored]:
        """Open the gate."""
        gate = open_model(self.path)
        return lambda source: Scored(type_of(gate, source))


def type_of(gate: Model, source: Source) -> SoundType | None:
    """The type of one clip."""
    member = gate.contract.training_clips.get(content_hash(source.path))
    if member is not None and member < 0:
        return None
    with open_audio(source) as reader:
        blocks = mono_blocks(reader, sample_rate=gate.contract.features.sample_rate)
        return sound_type(infer(blocks, gate, member=member), gate)


def rows(folder: Path, gate: Model) -> Iterator[list[str]]:
    """A row for each kind of recording."""
    for name, truth in KINDS.items():
        outcomes = list(run_batch(find_audio([str(folder / name)]), Gating(gate.path)))
        scored = [each for each in outcomes if isinstance(each, Scored)]
        sounds = [each.sound for each in scored if each.sound is not None]
        left = len(scored) - len(sounds)
        cells = [f"`{name}`", truth, f"{len(sounds)} (+ {left})" if left else str(len(sounds))]
        for expected in TYPES:
            count = sum(mismatch(sound, expected, gate) is not None for sound in sounds)
            cells.append(f"{count / len(sounds):.3f}" if sounds else "")
        yield cells


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gate", default=GATE_MODEL)
    given = parser.parse_args()
    gate = open_model(find_model(given.gate).path)
    print(f"{gate.contract.name}: " + ", ".join(gate.contract.labels) + "\n")
    print("| recordings | true type | n (+ left out) | " + " | ".join(f"not {t}" for t in TYPES) + " |")
    print("|---|---|---:|" + "---:|" * len(TYPES))
    for cells in rows(given.folder, gate):
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
