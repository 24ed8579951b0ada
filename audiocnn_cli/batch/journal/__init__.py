"""The SQLite journal of a batch: what is done, and how a later run resumes it."""
