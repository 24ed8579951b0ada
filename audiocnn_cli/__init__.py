"""Audio features, tensor shapes and CNN inference; functions of `audiocnn_cli.api`, imported when used.

import audiocnn_cli as audiocnn
audiocnn.features("song.wav").data      # MFCC of shape (frames, 13)
audiocnn.shapes((130, 13, 1), "conv:32@3x3", "pool:2").output
audiocnn.classify("song.wav").label
audiocnn.embed("song.wav").data         # a vector for each segment: (segments, dimensions)
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audiocnn_cli.api import classify as classify
    from audiocnn_cli.api import embed as embed
    from audiocnn_cli.api import features as features
    from audiocnn_cli.api import load_model as load_model
    from audiocnn_cli.api import search as search
    from audiocnn_cli.api import shapes as shapes
    from audiocnn_cli.errors import AudiocnnError as AudiocnnError

__version__ = "0.2.0"

_OFFERED = {
    "AudiocnnError": "errors",
    "classify": "api",
    "embed": "api",
    "features": "api",
    "load_model": "api",
    "search": "api",
    "shapes": "api",
}


def __getattr__(name: str) -> Any:
    if name not in _OFFERED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_OFFERED[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_OFFERED])


class _Package(ModuleType):
    """Three functions have the names of sub-packages: importing these must not replace the functions."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in _OFFERED or not isinstance(value, ModuleType):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
