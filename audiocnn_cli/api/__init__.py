"""Functions for Python: features, shapes, labels and embeddings of recordings. See docs/python-api.md.

A source is the path of a recording, or an array of samples: (n,) or (n, channels), floating point in [-1, 1]
or integers of any width, which are scaled. Errors are subclasses of `AudiocnnError`.
"""

from audiocnn_cli.api.embeddings import Embeddings, embed, search
from audiocnn_cli.api.labels import Classification, LoadedModel, classify, load_model
from audiocnn_cli.api.stacks import LayerStack, shapes
from audiocnn_cli.api.tensors import FeatureTensor, features

__all__ = [
    "Classification",
    "Embeddings",
    "FeatureTensor",
    "LayerStack",
    "LoadedModel",
    "classify",
    "embed",
    "features",
    "load_model",
    "search",
    "shapes",
]
