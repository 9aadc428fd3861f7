"""Coverage, redundancy, balance and stability of a selection. Plain numpy arrays in and out."""
