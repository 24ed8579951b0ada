"""How often the gate speaks up: python benchmarks/gate.py ../shared/data [--gate NAME|FILE].

Prints a Markdown table: of each kind of recording below the folder, how many get an objection from a model
for music, for speech and for environment. Those under their own type are wrong, the others right. A clip that
the gate was trained on is answered by the member that never heard it, or left out.
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
from audiocnn_cli.classify.gate import GATE_MODEL, objection, sound_type
from audiocnn_cli.evaluation.labelled import content_hash
from audiocnn_cli.features.extract import DECODE_AND_EXTRACT
from audiocnn_cli.models.inference import infer
from audiocnn_cli.models.registry import find_model
from audiocnn_cli.models.session import Model, open_model

TYPES = ("music", "speech", "environment")
# Folders of recordings, and what each truly is.
KINDS = {
    "gtzan": "music",
    "music_speech/music": "music",
    "music_speech/speech": "speech",
    "fsdd": "speech",
    "esc10": "environment",
}


@dataclass(frozen=True)
class Heard:
    """What an honest member of the gate hears; None if all have learnt the clip."""

    sound: SoundType | None


@dataclass(frozen=True)
class Ear(WithoutFiles):
    """The batch's task: listen with the gate at `path`."""

    path: Path
    modules: ClassVar[tuple[str, ...]] = DECODE_AND_EXTRACT

    def prepare(self) -> Callable[[Source], Heard]:
        """Open the gate."""
        gate = open_model(self.path)
        return lambda source: Heard(hear(gate, source))


def hear(gate: Model, source: Source) -> SoundType | None:
    """Listen to one clip."""
    member = gate.contract.training_clips.get(content_hash(source.path))
    if member is not None and member < 0:
        return None
    with open_audio(source) as reader:
        blocks = mono_blocks(reader, sample_rate=gate.contract.features.sample_rate)
        return sound_type(infer(blocks, gate, member=member), gate)


def rows(folder: Path, gate: Model) -> Iterator[list[str]]:
    """A row a kind of recording."""
    for name, truth in KINDS.items():
        outcomes = list(run_batch(find_audio([str(folder / name)]), Ear(gate.path)))
        answers = [each for each in outcomes if isinstance(each, Heard)]
        heard = [answer.sound for answer in answers if answer.sound is not None]
        left = len(answers) - len(heard)
        cells = [f"`{name}`", truth, f"{len(heard)} (+ {left})" if left else str(len(heard))]
        for wanted in TYPES:
            count = sum(objection(sound, wanted, gate) is not None for sound in heard)
            cells.append(f"{count / len(heard):.3f}" if heard else "")
        yield cells


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gate", default=GATE_MODEL)
    given = parser.parse_args()
    gate = open_model(find_model(given.gate).path)
    print(f"{gate.contract.name}: " + ", ".join(gate.contract.labels) + "\n")
    print(
        "| recordings | what they are | n (+ left out) | "
        + " | ".join(f"objects as {t}" for t in TYPES)
        + " |"
    )
    print("|---|---|---:|" + "---:|" * len(TYPES))
    for cells in rows(given.folder, gate):
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
