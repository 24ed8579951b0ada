"""Whether the packages of the [train] extra are there."""

from importlib.util import find_spec

from audiocnn_cli.errors import MissingExtraError


def require_training_packages() -> None:
    """Say before any work that the extra is missing.

    Raises:
        MissingExtraError: torch, onnx, onnxscript or scikit-learn is not installed.
    """
    if not all(find_spec(name) for name in ("torch", "onnx", "onnxscript", "sklearn")):
        raise MissingExtraError("audiocnn train", "train")
