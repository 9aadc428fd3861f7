"""Matrices of embeddings: neighbours, clusters, near-duplicates, radii. Numpy only; knows nothing of FiftyOne."""
