"""The frameworks whose rules differ."""

from enum import StrEnum


class Framework(StrEnum):
    """Whose rules a stack is worked out by."""

    KERAS = "keras"
    TORCH = "torch"
    ONNX = "onnx"

    @property
    def label(self) -> str:
        """Its name as its makers write it."""
        return {"keras": "Keras", "torch": "PyTorch", "onnx": "ONNX"}[self.value]
