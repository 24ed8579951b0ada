"""Files of every format have the length and samples that FFmpeg decodes; docs/formats.md has the table."""

from pathlib import Path

import pytest

from tests.formats_table import CASES, HEAD, Case, row

DOCS = Path(__file__).parent.parent / "docs" / "formats.md"
# FFmpeg leaves out the last block of GSM 6.10, which is padded, and the last samples of ALAC of libsndfile.
LONGER = {"GSM 6.10": "+320 samples", "ALAC": "+14 samples"}
# FFmpeg rounds the predictors of MS ADPCM in another way, and its MP2 decoder has 16 bits.
ROUNDED = {"MS ADPCM": 1e-2, "MP2": 1e-4, "MPEG-1 layer II": 1e-4}


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_file_is_decoded_as_ffmpeg_decodes_it(case: Case, tmp_path: Path) -> None:
    cells = row(case, tmp_path)
    *_, length, difference = cells
    assert length == (LONGER.get(case.codec, "equal") if case.container in ("WAV", "CAF") else "equal")
    lossy = ROUNDED.get(case.codec, 0.0 if case.bits else 1e-5)
    assert float(difference.removeprefix("below ")) <= lossy
    assert f"| {' | '.join(cells)} |\n" in DOCS.read_text(encoding="utf-8")


def test_the_table_has_no_other_rows() -> None:
    lines = DOCS.read_text(encoding="utf-8").splitlines()
    head = lines.index(f"| {' | '.join(HEAD)} |")
    assert lines.index("", head) - head - 2 == len(CASES)
