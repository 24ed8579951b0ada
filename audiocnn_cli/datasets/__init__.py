"""Results of many files as a Parquet data set, or as a folder with a file for each input."""
