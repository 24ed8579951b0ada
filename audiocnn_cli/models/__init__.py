"""A tensor becomes probabilities: the ONNX contract, the registry, the session."""
