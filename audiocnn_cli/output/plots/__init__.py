"""Matplotlib figures (the [plot] extra)."""
