"""Embeddings in a few directions, by which most pairs are ruled out before distances are taken."""

from __future__ import annotations

import numpy as np

#: Images from which on a sketch saves more than it costs, and its dimensions.
FROM = 4_096
DIM = 64

#: More than float32 products lose of a distance between unit vectors, see :func:`.neighbors.pairwise_distances`.
SLACK = 2e-3


def pays(n: int, dim: int) -> bool:
    """Whether a sketch of n vectors costs less than it can save."""
    return n >= FROM and dim >= 2 * DIM


def directions(sample: np.ndarray) -> np.ndarray:
    """(d, 64) float64 orthonormal directions of the largest mean square of (m, d) vectors.

    Distances between projections on these are never larger than distances.
    """
    return np.linalg.eigh((sample.T @ sample).astype(np.float64))[1][:, -DIM:]


def sketched(block: np.ndarray, along: np.ndarray) -> np.ndarray:
    """(m, q + 1) float32 projections of (m, d) vectors on q orthonormal directions, and the length of what is left.

    Products of sketches are never smaller than products, and distances never larger, but for the rounding to float32:
    what is left of two vectors has at most the product of its lengths.
    """
    block = block.astype(np.float64)
    projected = block @ along
    left = np.einsum("ij,ij->i", block, block) - np.einsum("ij,ij->i", projected, projected)
    return np.column_stack([projected, np.sqrt(np.maximum(left, 0))]).astype(np.float32)
