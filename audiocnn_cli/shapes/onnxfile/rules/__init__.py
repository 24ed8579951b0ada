"""The sizes of each operator's outputs, by the ONNX standard and where it leaves a choice as ONNX Runtime has it."""
