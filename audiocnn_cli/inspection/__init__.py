"""Inspection of a classification: the tensors on the way to the label, and the sound that it rests on."""
