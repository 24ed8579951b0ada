"""A model's whole way from waveform to label as one ONNX graph of standard operators."""
