"""Backbones: pre-trained networks of packages of the Python index as ONNX models with a contract."""
