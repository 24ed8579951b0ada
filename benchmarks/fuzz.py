"""Damaged recordings through `audiocnn features` and `classify`: no input and no process may be lost.

    python benchmarks/fuzz.py                       20,000 mutants, in two batches
    python benchmarks/fuzz.py --mutants 100000      the figure of the documentation
    python benchmarks/fuzz.py --seed 7 --keep DIR   other mutants; those with a finding are copied to DIR

The mutants are made from a short recording in each container and codec that libsndfile and PyAV write:
flipped bits, cut ends, extreme integers, parts that are repeated or missing, the header of one before the
data of another. Where Atheris is installed (`pip install atheris`), libFuzzer makes half of them. The same
seed makes the same mutants. Each batch runs with a limit of address space for each process (RLIMIT_AS).

Findings are

- a worker that crashes or runs out of memory, an input that exceeds its time limit, a bug that stops the work
- a traceback, or anything but events in JSON, on stderr; another exit code than 0, 1 and 3
- an input without an outcome, or with more than one
"""

import argparse
import json
import os
import random
import re
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from measure import AUDIOCNN, row  # isort: skip

from mutants import mutated, originals

COMMANDS = (("features",), ("classify", "--model", "genre-cnn"))
LIMIT_S = 20.0
MIB = 1 << 20
# Kinds of failure that no input may have.
FAULTS = ("crashed", "timeout", "internal")
EXIT_CODES = (0, 1, 3)
SHOWN = 20


@dataclass
class Findings:
    """What a run has found."""

    outcomes: Counter[str] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    files: set[Path] = field(default_factory=set)
    lost: int = 0
    largest_mib: float = 0.0
    slowest_s: float = 0.0
    slowest: str = ""

    def add(self, finding: str, file: Path | None = None) -> None:
        """Note a finding, and the file that it is about; those that differ in numbers only are one."""
        finding = re.sub(r"0x[0-9a-f]+|\d+", "N", finding)
        self.findings[finding] += 1
        if file is not None:
            self.files.add(file)
            self.examples.setdefault(finding, file.name)


def write_mutants(folder: Path, count: int, seed: int) -> list[Path]:
    """Write `count` mutants below `folder`; the names hold their number and the suffix of their format."""
    files = originals()
    from_atheris = count // 2 if find_spec("atheris") else 0
    random_ = random.Random(seed)  # noqa: S311 (no secret)
    for number in range(from_atheris, count):
        suffix, data = mutated(files, random_)
        (folder / f"{number:06}{suffix}").write_bytes(data)
    if from_atheris:
        own = [sys.executable, __file__, "--atheris", str(folder), "--mutants", str(from_atheris)]
        subprocess.run([*own, "--seed", str(seed)], check=True, stderr=subprocess.DEVNULL)
    return sorted(folder.iterdir())


def write_with_atheris(folder: Path, count: int, seed: int) -> None:
    """Write `count` mutants that libFuzzer makes of the originals; the process ends with the last one."""
    atheris: Any = import_module("atheris")
    files = originals()
    written: set[int] = set()

    def mutate(_: bytes, largest: int, number: int) -> bytes:
        random_ = random.Random(number)  # noqa: S311 (no secret)
        index = random_.randrange(len(files))
        data = files[index].data
        for _step in range(random_.randint(1, 8)):
            data = atheris.Mutate(data, largest - 1)
        return bytes([index]) + data

    def write(data: bytes) -> None:
        if not data or hash(data) in written:
            return
        suffix = files[data[0] % len(files)].suffix
        (folder / f"{len(written):06}{suffix}").write_bytes(data[1:])
        written.add(hash(data))
        if len(written) == count:
            os._exit(0)

    arguments = [sys.argv[0], f"-seed={seed + 1}", "-max_len=200000", "-verbosity=0", "-runs=-1"]
    atheris.Setup(arguments, write, custom_mutator=mutate)
    atheris.Fuzz()


def run_batch(command: tuple[str, ...], files: list[Path], limit: int, found: Findings) -> None:
    """Run one command over the files, and note what is not as it must be."""
    with tempfile.TemporaryDirectory() as scratch:
        listed, journal = Path(scratch) / "files.txt", Path(scratch) / "journal.sqlite"
        listed.write_text("".join(f"{file}\n" for file in files))
        options = ["--jsonl", "--log-json", "--journal", str(journal), "--timeout", f"{LIMIT_S:g}"]
        results = Path(scratch) / "results.jsonl"
        with results.open("w") as stream:
            finished = subprocess.run(
                [AUDIOCNN, *command, f"@{listed}", *options],
                stdout=stream,
                stderr=subprocess.PIPE,
                text=True,
                errors="backslashreplace",
                check=False,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
            )
        name = command[0]
        if finished.returncode not in EXIT_CODES:
            found.add(f"{name}: ended with exit code {finished.returncode}")
        _check_stderr(name, finished.stderr, found)
        _check_outcomes(name, results, files, found)
        _note_times(name, journal, found)


def _check_stderr(name: str, stderr: str, found: Findings) -> None:
    others = [line for line in stderr.splitlines() if not line.startswith("{")]
    for line in others:
        found.add(f"{name}: on stderr: {line}")


def _check_outcomes(name: str, results: Path, files: list[Path], found: Findings) -> None:
    seen: Counter[str] = Counter()
    with results.open() as lines:
        for line in lines:
            document = json.loads(line)
            path, error = document["path"], document.get("error")
            seen[path] += 1
            kind = error["kind"] if error else "done"
            found.outcomes[f"{name} {kind}"] += 1
            if error and (kind in FAULTS or "more memory" in error["message"]):
                found.add(f"{name}: {kind}: {error['message']}", Path(path))
    for file in files:
        if seen[str(file)] != 1:
            found.lost += not seen[str(file)]
            found.add(f"{name}: no outcome, or several", file)


def _note_times(name: str, journal: Path, found: Findings) -> None:
    with closing(sqlite3.connect(journal)) as database:
        query = "SELECT seconds, path FROM inputs ORDER BY seconds DESC LIMIT 1"
        for seconds, path in database.execute(query):
            if seconds > found.slowest_s:
                found.slowest_s, found.slowest = seconds, f"{name} {Path(os.fsdecode(path)).name}"


def batches(mutants: int, size: int) -> Iterator[tuple[int, int]]:
    """The number of each batch and how many mutants it has."""
    for number, start in enumerate(range(0, mutants, size)):
        yield number, min(size, mutants - start)


def fuzz(mutants: int, size: int, seed: int, limit: int, keep: Path | None) -> Findings:
    """Run all batches; the files with a finding are copied to `keep`."""
    found = Findings()
    for number, count in batches(mutants, size):
        with tempfile.TemporaryDirectory() as scratch:
            files = write_mutants(Path(scratch), count, seed * 1000 + number)
            found.files.clear()
            for command in COMMANDS:
                start = time.perf_counter()
                run_batch(command, files, limit, found)
                taken = time.perf_counter() - start
                print(f"batch {number + 1}: {command[0]}: {count:,} mutants in {taken:.0f} s", flush=True)
            if keep is not None and found.files:
                keep.mkdir(parents=True, exist_ok=True)
                for file in found.files:
                    shutil.copy(file, keep / f"{seed}-{number}-{file.name}")
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    found.largest_mib = usage.ru_maxrss / 1024
    return found


def report(found: Findings, mutants: int) -> bool:
    """Print the figures; False if one is not as it must be."""
    for outcome, count in sorted(found.outcomes.items()):
        print(f"      {outcome:<30} {count:>8,}")
    for finding, times in found.findings.most_common(SHOWN):
        example = f" (such as {found.examples[finding]})" if finding in found.examples else ""
        print(f"      {times} x {finding}{example}")
    if len(found.findings) > SHOWN:
        print(f"      and {len(found.findings) - SHOWN} other kinds")
    made = "libFuzzer and the generator" if find_spec("atheris") else "the generator"
    what = f"{mutants:,} mutants of {len(originals())} recordings, made by {made}"
    row(what, f"{found.findings.total()} findings", "0", not found.findings)
    row("inputs without an outcome", f"{found.lost}", "0", not found.lost)
    row("largest process", f"{found.largest_mib:.0f} MiB", "<= 1024 MiB", found.largest_mib <= 1024)
    quick = found.slowest_s < LIMIT_S / 2
    row(f"slowest input ({found.slowest})", f"{found.slowest_s:.2f} s", f"< {LIMIT_S / 2:g} s", quick)
    return not found.findings and found.largest_mib <= 1024 and quick


def main() -> None:
    """Parse the command line, run, and end with 1 where something was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mutants", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=10_000, help="mutants in a run of a command")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--memory", type=int, default=4096, help="address space of a process, MiB")
    parser.add_argument("--keep", type=Path, help="copy the files with a finding to this folder")
    parser.add_argument("--atheris", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.atheris is not None:
        write_with_atheris(given.atheris, given.mutants, given.seed)
    start = time.perf_counter()
    found = fuzz(given.mutants, given.batch, given.seed, given.memory * MIB, given.keep)
    fine = report(found, given.mutants)
    print(f"      {time.perf_counter() - start:.0f} s in all, seed {given.seed}")
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
