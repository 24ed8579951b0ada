"""One shape becomes the next: layers, the layer grammar, named architectures, ONNX graphs."""
