"""The layers, each with its exact arithmetic."""
