"""The schema of the records: written, indexed, and read by byte range."""
