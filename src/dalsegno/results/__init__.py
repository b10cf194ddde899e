"""Results: how values of runs are kept, signed, found again and read."""
