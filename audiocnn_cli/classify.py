"""Audio to segments to probabilities to a `Prediction`."""
