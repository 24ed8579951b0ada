"""Shape arithmetic: layers, the layer grammar, named architectures and ONNX graphs."""
