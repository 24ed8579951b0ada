"""The house keeps its order: imports run one way, and `--help` stays light."""

import subprocess
import sys
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
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.endswith("heavy: []\n")
