"""A source becomes mono float32 samples: find files, decode in blocks, mix down, resample."""
