"""The house keeps its order: imports run one way, and `--help` stays light."""

import subprocess
import sys
import tomllib
from pathlib import Path

HEAVY = (
    "numpy",
    "scipy",
    "librosa",
    "onnxruntime",
    "soundfile",
    "soxr",
    "rich",
    "torch",
    "matplotlib",
    "pyarrow",
)
ROOT = Path(__file__).parent.parent


def test_imports_run_one_way() -> None:
    result = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from audiocnn_cli.commands.main import build_app\n"
        "build_app()(['--help'], standalone_mode=False)\n"
        f"print('heavy:', sorted(set({HEAVY}) & set(sys.modules)))\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.endswith("heavy: []\n")


def test_the_diagram_shows_the_layers() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (contract,) = project["tool"]["importlinter"]["contracts"]
    layers = [
        [name.strip().removeprefix("audiocnn_cli.") for name in layer.split("|")]
        for layer in contract["layers"]
    ]
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    chain = next(line for line in page.splitlines() if line.startswith("    commands & api"))
    drawn = [[name.strip() for name in step.split("&")] for step in chain.split("-->")]
    assert drawn == layers
    names = {name for layer in layers for name in layer}
    package = ROOT / "audiocnn_cli"
    rooms = {path.stem for path in package.iterdir() if (path / "__init__.py").is_file()}
    modules = {path.stem for path in package.glob("*.py")} - {"__init__", "__main__"}
    assert names == rooms | modules
    assert all(f"`{name}`" in page for name in names)
