"""How right a model is that `audiocnn train` fits to few clips, by its own commands on labelled folders.

    python benchmarks/few.py DATA [--only esc10|fsdd]

DATA has `esc10` (10 clips a class of three folds, tested on the fold left out) and `fsdd` (5 clips a class of
two speakers, tested on the three others). Each mean is of five draws; the embeddings are computed once.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

AUDIOCNN = str(Path(sys.executable).parent / "audiocnn")


@dataclass(frozen=True)
class Protocol:
    """A data set, the clips a class, what groups a file name, and the groups to train on in each draw."""

    clips: int
    group: Callable[[str], str]
    trained_on: tuple[frozenset[str], ...]
    wanted: float


_PAIRS = ("george+jackson", "george+nicolas", "jackson+theo", "nicolas+yweweler", "theo+yweweler")
PROTOCOLS = {
    "esc10": Protocol(
        10, lambda name: name[0], tuple(frozenset("1234") - {str(1 + i % 4)} for i in range(5)), 0.86
    ),
    "fsdd": Protocol(
        5,
        lambda name: name.split("_")[0],
        tuple(
            frozenset(pair.split("+"))
            for pair in (
                "george+jackson",
                "george+nicolas",
                "jackson+theo",
                "nicolas+yweweler",
                "theo+yweweler",
            )
        ),
        0.86,
    ),
}


def draws(folder: Path, protocol: Protocol, scratch: Path) -> Iterator[tuple[Path, Path]]:
    """The folders to train and to test on, made of links."""
    for number, groups in enumerate(protocol.trained_on):
        random = Random(number)  # noqa: S311 (a draw that can be repeated)
        sides = scratch / f"train{number}", scratch / f"test{number}"
        for label in sorted(path for path in folder.iterdir() if path.is_dir()):
            files = sorted(label.iterdir())
            known = [file for file in files if protocol.group(file.name) in groups]
            others = [file for file in files if protocol.group(file.name) not in groups]
            for side, chosen in zip(sides, (random.sample(known, protocol.clips), others), strict=True):
                (side / label.name).mkdir(parents=True)
                for file in chosen:
                    (side / label.name / file.name).symlink_to(file.resolve())
        yield sides


def accuracy(train: Path, test: Path, scratch: Path) -> tuple[float, str]:
    """The accuracy on `test` of a model fitted to `train`, and the backbone that was chosen."""
    model = scratch / "few.onnx"
    run = [AUDIOCNN, "train", train, "-o", model, "--cache", scratch / "cache", "--force", "-q"]
    subprocess.run(list(map(str, run)), check=True, capture_output=True)
    command = [AUDIOCNN, "evaluate", str(test), "--model", str(model), "--json"]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    shown = subprocess.run(
        [AUDIOCNN, "models", "show", str(model), "--json"], check=True, capture_output=True
    )
    return found["accuracy"], json.loads(shown.stdout)["architecture"]


def main() -> None:
    """Print the accuracy of each draw and the mean."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("data", type=Path)
    arguments.add_argument("--only", choices=PROTOCOLS)
    given = arguments.parse_args()
    for name in [given.only] if given.only else PROTOCOLS:
        protocol = PROTOCOLS[name]
        with tempfile.TemporaryDirectory() as scratch:
            found = []
            for train, test in draws(given.data / name, protocol, Path(scratch)):
                value, architecture = accuracy(train, test, Path(scratch))
                found.append(value)
                print(f"{name}  {value:.3f}  {architecture}", flush=True)
        mean = statistics.mean(found)
        verdict = "ok" if mean >= protocol.wanted else "MISS"
        print(
            f"{name}  mean {mean:.3f}, {min(found):.3f} to {max(found):.3f}  ({protocol.wanted})  {verdict}"
        )


if __name__ == "__main__":
    main()
