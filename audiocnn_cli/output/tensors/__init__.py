"""Feature tensors as npz, npy, HDF5 and Parquet files."""
