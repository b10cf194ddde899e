"""Data pipelines as plain Python functions that record themselves and pick up where they left off."""
