"""The sizes of each operator's outputs, by the ONNX standard, or ONNX Runtime where they differ."""
