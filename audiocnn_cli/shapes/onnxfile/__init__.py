"""ONNX files: shapes by ONNX' shape inference; parameters, work and receptive fields by our layers."""
