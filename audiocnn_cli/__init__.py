"""audiocnn: from a waveform to a label, with every tensor on the way explained."""

__version__ = "0.1.0"
