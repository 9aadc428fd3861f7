"""What users call: compute, load, view, compare, flag."""
