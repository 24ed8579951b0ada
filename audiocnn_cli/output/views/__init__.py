"""One module for each kind of result: its table, its JSON document and its CSV rows."""
