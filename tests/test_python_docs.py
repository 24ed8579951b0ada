"""The code of docs/python-api.md and of the notebook runs."""

import re
import subprocess
import sys
from pathlib import Path

import nbclient
import nbformat
import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "python-api.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def make_recordings(folder: Path) -> None:
    """song.wav of 30 s, and recordings/ with two classes."""
    random = np.random.default_rng(0)
    soundfile.write(folder / "song.wav", 0.1 * random.standard_normal(30 * 22050), 22050)
    for name in ("rain", "wind"):
        (folder / "recordings" / name).mkdir(parents=True)
        for number in range(2):
            noise = 0.1 * random.standard_normal(7 * 22050)
            soundfile.write(folder / "recordings" / name / f"{number}.wav", noise, 22050)


def make_set(folder: Path) -> None:
    """The vectors of recordings/ in set/."""
    command = [str(Path(sys.executable).parent / "audiocnn"), "embed", "recordings", "-o", "set/", "-q"]
    subprocess.run(command, cwd=folder, check=True)


def test_the_code_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_recordings(tmp_path)
    make_set(tmp_path)
    monkeypatch.chdir(tmp_path)
    blocks = [block for block in BLOCKS if not block.startswith("# torch")]
    assert len(blocks) == len(BLOCKS) - 1
    exec("\n".join(blocks), {})  # noqa: S102 (the page's own code)
    printed = capsys.readouterr().out
    assert printed.startswith("(1292, 13) ('frame', 'coefficient')\n")
    assert "collapses on the frequency axis" in printed
    assert "(6, 1792) sound\n(6, 6)\n" in printed
    assert re.search(r"^recordings/\w+/\d.wav 0.0 5.0 0\.\d+$", printed, re.MULTILINE)


@pytest.mark.train
def test_the_pytorch_dataset_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_recordings(tmp_path)
    monkeypatch.chdir(tmp_path)
    (block,) = (block for block in BLOCKS if block.startswith("# torch"))
    exec(block, {})  # noqa: S102 (the page's own code)
    assert capsys.readouterr().out.startswith("torch.Size([8, 1, 130, 64]) torch.Size([8])")


@pytest.mark.filterwarnings("ignore")  # Jupyter's own
def test_the_notebook_runs() -> None:
    notebook = nbformat.read(ROOT / "examples" / "tour.ipynb", as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}
    )
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    tables = [o for o in outputs if "<table" in str(o.get("data", {}).get("text/html"))]
    assert len(tables) == 3
    assert not [output for output in outputs if output.output_type == "error"]
