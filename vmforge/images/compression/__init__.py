"""Compressed files: which formats there are, and how each is written, on all processors at once."""
