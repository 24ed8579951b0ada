"""The words that the glossary retires: `python tests/words.py [PATHS]` lists where they still stand.

Read are names, comments, docstrings and text in Python files (of `audiocnn_cli`), and all of a Markdown file.
"""

import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
# What is written instead stands behind each.
RETIRED = {
    r"hear|hears|heard|hearing|listens?|listener|listening": "input, run, StreamingInference, ModelStream",
    r"asks?|asking|asked": "run, request",
    r"answer|answers|answered|answering": "scores, predict, coverage",
    r"says?|said|tells?|told|speaks?": "name, state, report, show",
    r"sees|saw|seen by": "receptive field; reads",
    r"mends?|mended|mending": "fixes",
    r"knows|knew": "has, reads, stores",
    r"wants|wishes|wish": "requires, requested",
    r"lives|dies|bury|buried": "lasts, exits",
    r"ledger": "failure log",
    r"shelf|shelved|shelves": "user models",
    r"parcels?": "packed task",
    r"tally|tallies": "counts",
    r"panel": "ensemble",
    r"looking": "InspectOptions",
    r"seeds|seeds'": "the course networks",
    r"jumps?": "cumulative stride (the JSON key stays)",
    r"label said|part answered|expected error": "predicted label, coverage, ECE",
    r"numbers that are kept but not trained": "non-trainable parameters",
    r"promises?|promised|promising": "states, declares",
    r"gentle|gently|somebody|nobody|whoever": "plain terms",
    r"takes? leave|come home|goes home|send home|break off|broken off": "plain terms",
    r"recipe that travels|travels?|travelled": "is sent, is pickled",
}
# The JSON key of CONTRACT.md, and names of others that hold a retired word.
ALLOWED = (
    '"jump"', "jump:", ".jump", "jump=", "`jump`", "rich_help_panel", "rich.panel", "Panel(",
    "PR_SET_PDEATHSIG", "keras_answers",
)  # fmt: skip
# Python's own.
NAMES_OF_OTHERS = ("tell",)
_PATTERN = re.compile(r"(?<![a-z])(" + "|".join(RETIRED) + r")(?![a-z])", re.IGNORECASE)


def found(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line, retired word and the line's text, for each of them in a file."""
    for number, line in _lines(path):
        for word in found_in(line):
            yield number, word, line.strip()


def found_in(line: str) -> list[str]:
    """The retired words in a line of text."""
    for allowed in ALLOWED:
        line = line.replace(allowed, "")
    return [match[1] for match in _PATTERN.finditer(line)]


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    if path.suffix != ".py":
        yield from enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        return
    with path.open("rb") as stream:
        for token in tokenize.tokenize(stream.readline):
            if token.string in NAMES_OF_OTHERS:
                continue
            if token.type in (tokenize.COMMENT, tokenize.STRING, tokenize.NAME):
                for offset, line in enumerate(token.string.splitlines()):
                    yield token.start[0] + offset, line


def files(paths: list[str]) -> Iterator[Path]:
    """The Python, Markdown, TOML, template and script files below `paths`."""
    for name in paths:
        path = Path(name)
        for pattern in ("*.py", "*.md", "*.toml", "*.j2", "*.js"):
            yield from [path] if path.is_file() else sorted(path.rglob(pattern))
            if path.is_file():
                break


DEFAULT = ["audiocnn_cli", "docs", "README.md", "CONTRIBUTING.md", "models", "examples", "benchmarks"]

if __name__ == "__main__":
    count = 0
    for file in files(sys.argv[1:] or [name for name in DEFAULT if Path(name).exists()]):
        for number, word, line in found(file):
            count += 1
            print(f"{file}:{number}: {word}: {line[:100]}")
    print(f"{count} retired words")
