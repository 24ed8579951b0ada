"""A result becomes bytes: Rich tables, JSON, CSV; to stdout or whole into a file."""
