"""Damaged files give samples or an `AudiocnnError`, and neither libraries nor bindings print anything."""

import contextlib
import random
from pathlib import Path

import pytest

from audiocnn_cli.audio.decode import open_audio
from audiocnn_cli.audio.sources import Source
from audiocnn_cli.errors import AudiocnnError
from tests.formats_table import CASES, Case, tones


def damaged(data: bytes, seed: int) -> bytes:
    """`data` with some bits flipped, mostly near its beginning, cut, or with bytes inserted."""
    chance = random.Random(seed)  # noqa: S311 (no cryptography)
    mutant = bytearray(data)
    for _ in range(chance.choice((1, 5, 40))):
        place = chance.randrange(min(len(mutant), chance.choice((64, 1024, len(mutant)))))
        mutant[place] ^= 1 << chance.randrange(8)
    place = chance.randrange(len(mutant))
    if seed % 3 == 0:
        del mutant[place:]
    elif seed % 3 == 1:
        mutant[place:place] = chance.randbytes(700)
    return bytes(mutant)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_damage_is_an_expected_error(case: Case, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "whole"
    case.write(path, tones(case.channels, case.rate, 0.3), case.rate)
    whole, path = path.read_bytes(), tmp_path / "damaged"
    for seed in range(24):
        path.write_bytes(damaged(whole, seed))
        with contextlib.suppress(AudiocnnError), open_audio(Source(str(path))) as reader:
            assert sum(map(len, reader.blocks())) < 100_000_000
            for _ in reader.blocks(start=reader.info.frames // 2, frames=100):
                pass
    assert capfd.readouterr().err == ""
