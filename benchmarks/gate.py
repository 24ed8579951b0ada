"""How often the gate speaks up: python benchmarks/gate.py ../shared/data [--gate NAME|FILE].

Prints a Markdown table: of each kind of recording below the folder, how many get an objection from a model
for music, for speech and for environment. Those under their own type are wrong, the others right. A clip that
the gate was trained on is answered by the member that never heard it, or left out.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from audiocnn_cli.audio.decode import open_audio
from audiocnn_cli.audio.load import mono_blocks
from audiocnn_cli.audio.sources import Source, find_audio
from audiocnn_cli.batch.outcome import Failure
from audiocnn_cli.batch.run import run_batch
from audiocnn_cli.classify import SoundType
from audiocnn_cli.classify.gate import GATE_MODEL, objection, sound_type
from audiocnn_cli.evaluation.labelled import content_hash
from audiocnn_cli.models.contract import SEEN_BY_ALL
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
class Ear:
    """What an honest member of the gate hears; None if all have learnt the clip."""

    gate: Model

    def __call__(self, source: Source) -> SoundType | None:
        """Listen to one clip."""
        member = self.gate.contract.training_clips.get(content_hash(source.path))
        if member == SEEN_BY_ALL:
            return None
        rate = self.gate.contract.features.sample_rate
        with open_audio(source) as reader:
            clip = infer(mono_blocks(reader, sample_rate=rate), self.gate, member=member)
        return sound_type(clip, self.gate)


def rows(folder: Path, gate: Model) -> Iterator[list[str]]:
    """A row a kind of recording."""
    for name, truth in KINDS.items():
        outcomes = list(run_batch(find_audio([str(folder / name)]), Ear(gate)))
        heard = [each for each in outcomes if isinstance(each, SoundType)]
        left = sum(not isinstance(each, SoundType | Failure) for each in outcomes)
        cells = [f"`{name}`", truth, f"{len(heard)} (+ {left})" if left else str(len(heard))]
        for wanted in TYPES:
            count = sum(objection(each, wanted, gate) is not None for each in heard)
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
