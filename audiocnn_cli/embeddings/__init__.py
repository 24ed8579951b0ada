"""Embeddings: a vector for each segment of a recording, and exact search by cosine similarity."""
