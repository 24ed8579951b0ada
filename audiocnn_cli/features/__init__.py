"""Samples become a tensor: FeatureConfig, frames, spectrum, mel, segments."""
