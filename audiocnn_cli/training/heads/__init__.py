"""Heads: one dense layer on the embedding of a pre-trained network, fitted in seconds with scikit-learn."""
