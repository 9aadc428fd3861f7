"""Budgets, constraints and the registry of selection methods. Plain numpy arrays in and out."""
