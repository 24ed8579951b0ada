"""Audio files to float32 samples: find, decode in blocks, mix down, resample, cut into segments."""
