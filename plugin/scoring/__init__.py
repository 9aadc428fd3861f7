"""Scores of how much an image is worth keeping. Plain numpy arrays in and out."""
