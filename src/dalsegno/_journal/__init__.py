"""The journal: which records of this process changed, and their delivery to the backend in batches of snapshots."""
