"""Workers of a cluster keep memory between files, and only while they work for us."""

import ctypes
import os
import platform
import subprocess
import sys

import pytest

from audiocnn_cli.batch import allocator

# Blocks of less and of more than the size from which on the C library asks the system each time.
_FAULTS = """
import resource
from audiocnn_cli.batch.allocator import as_it_was, keep_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        blocks = [bytearray(size) for size in (100_000, 1_000_000) for _ in range(32)]
        for block in blocks:
            block[::4096] = b"x" * len(block[::4096])
        del blocks, block
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(faults())
keep_memory()
faults()
print(faults())
as_it_was()
print(faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is one of glibc")
def test_memory_is_kept_between_files_and_given_back_afterwards() -> None:
    dask_says = {"MALLOC_TRIM_THRESHOLD_": "65536"}
    printed = subprocess.run(
        [sys.executable, "-c", _FAULTS],
        env=os.environ | dask_says,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    before, kept, after = map(int, printed.split())
    assert kept * 10 < before
    assert kept * 10 < after


def test_a_process_without_the_setting_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    monkeypatch.setattr(ctypes, "CDLL", pytest.fail)
    allocator.keep_memory()
    allocator.as_it_was()
