"""The numerical tests pass with the instructions of older processors too.

NumPy picks its loops, and OpenBLAS its kernels, by what the processor has; both can be restricted.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow

NUMERICAL = [
    "test_audio_load.py",
    "test_classify.py",
    "test_evaluation.py",
    "test_features_dialects.py",
    "test_features_fft.py",
    "test_features_kinds.py",
    "test_features_mfcc.py",
    "test_features_segments.py",
    "test_inspection.py",
    "test_models_command.py",
    "test_models_add.py",
    "test_models_adopt.py",
    "test_models_frontend.py",
]
TESTS = Path(__file__).parent
AVX2 = {"X86_V3", "AVX2", "FMA3"}  # in the names of NumPy 2.4 and before


def passes(**environment: str) -> None:
    """Run the numerical tests in a process of their own."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    finished = subprocess.run(
        command + [str(TESTS / name) for name in NUMERICAL],
        env=os.environ | environment,
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout[-5000:] + finished.stderr[-2000:]


def avx512_and_avx2() -> tuple[list[str], list[str]]:
    """The features that NumPy has loops for beyond its baseline and finds here; it refuses other names."""
    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    wide = [name for name in found if name == "X86_V4" or name.startswith("AVX512")]
    return wide, [name for name in found if name in AVX2]


def test_all_instructions_and_fresh_examples() -> None:
    passes(HYPOTHESIS_PROFILE="random")


def test_without_avx512() -> None:
    wide, _ = avx512_and_avx2()
    if not wide:
        pytest.skip("NumPy uses no AVX-512 here, so there is nothing to disable")
    passes(NPY_DISABLE_CPU_FEATURES=" ".join(wide), OPENBLAS_CORETYPE="Haswell")


def test_without_avx2() -> None:
    wide, narrow = avx512_and_avx2()
    if not narrow:
        pytest.skip("NumPy dispatches no AVX2 here, so there is nothing to disable")
    passes(NPY_DISABLE_CPU_FEATURES=" ".join(narrow + wide), OPENBLAS_CORETYPE="Nehalem")
