"""What is drawn in a terminal: consoles, progress, heat maps and event strips."""
