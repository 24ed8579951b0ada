"""One task on many inputs: worker processes, a Dask cluster, the journal, and the loop over all inputs."""
