"""Many files, one seam: every command over several inputs runs them through `run_batch`."""
