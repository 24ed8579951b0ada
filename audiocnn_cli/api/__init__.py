"""Functions for Python: features, shapes and labels of recordings and arrays. See docs/python-api.md.

A source is the path of a recording, or an array of samples: (n,) or (n, channels), floating point in [-1, 1]
or integers of any width, which are scaled. Errors are subclasses of `AudiocnnError`.
"""

from audiocnn_cli.api.labels import Classification, LoadedModel, classify, load_model
from audiocnn_cli.api.stacks import LayerStack, shapes
from audiocnn_cli.api.tensors import FeatureTensor, features

__all__ = [
    "Classification",
    "FeatureTensor",
    "LayerStack",
    "LoadedModel",
    "classify",
    "features",
    "load_model",
    "shapes",
]
