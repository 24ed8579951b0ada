"""The [train] extra: data set, split, networks, fit, export."""
