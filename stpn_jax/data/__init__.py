"""Video files become records, and records become batches of snippets."""
