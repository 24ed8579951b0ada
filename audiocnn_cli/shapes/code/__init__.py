"""A stack as code that runs, in PyTorch and in Keras, and as a LaTeX table."""
