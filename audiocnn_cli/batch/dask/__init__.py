"""Workers of a Dask scheduler."""
