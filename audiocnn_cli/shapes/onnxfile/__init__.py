"""ONNX files: ONNX' own shape inference for the shapes, our layers for parameters, work and fields."""
