"""On the PYTHONPATH of commands under test: the names of recordings crash or delay their decoder."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import soundfile

_open = soundfile.SoundFile.__init__


def _faulty_open(self: Any, file: Any, *args: Any, **kwargs: Any) -> None:
    descriptor = file if isinstance(file, int) else file.fileno()
    name = Path(f"/proc/self/fd/{descriptor}").readlink().name
    if "crash" in name:
        os.kill(os.getpid(), signal.SIGSEGV)
    if "slow" in name:
        time.sleep(float(os.environ["SLOW_S"]))
    if "hang" in name:
        time.sleep(600)
    _open(self, file, *args, **kwargs)


soundfile.SoundFile.__init__ = _faulty_open
