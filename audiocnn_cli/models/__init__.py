"""Models: contracts in ONNX files, names and folders, sessions that compute probabilities."""
