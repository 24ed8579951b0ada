"""Single compiled modules of SciPy, without the packages around them.

Importing `scipy.fft` or `scipy.sparse` takes longer than reading, transforming and writing a 30 s recording,
for their support of other array libraries and of special functions. What is needed of each is one compiled
module inside it, which is loaded by itself here.
"""

import importlib.util
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any


def scipy_extension(name: str) -> Any:
    """The compiled module `name`, such as `scipy.fft._pocketfft.pypocketfft`.

    Raises:
        ImportError: this SciPy has it elsewhere, or there is none.
    """
    package = importlib.util.find_spec("scipy")
    if package is None or package.origin is None:
        raise ImportError("scipy is not installed")
    _, *folders, stem = name.split(".")
    folder = Path(package.origin).parent.joinpath(*folders)
    for suffix in EXTENSION_SUFFIXES:
        file = folder / (stem + suffix)
        spec = importlib.util.spec_from_file_location(name, file) if file.is_file() else None
        if spec is not None and spec.loader is not None:
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
    raise ImportError(f"no {name}")
