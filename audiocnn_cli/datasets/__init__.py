"""Results of many files: a Parquet data set with the rows of all, or a folder with a file for each input."""
