"""Embeddings in a few directions, by which most images are ruled out before distances are taken."""

from __future__ import annotations

import numpy as np

from ..vectors.points import Points

#: Images from which on a sketch saves more than it costs, and its directions.
FROM = 4_096
DIM = 64

#: More than float32 products lose of a distance between unit vectors, see :func:`.neighbors.pairwise_distances`.
SLACK = 2e-3

_BLOCK = 8_192


def pays(n: int, dim: int) -> bool:
    """Whether a sketch of n vectors costs less than it can save."""
    return n >= FROM and dim >= 2 * DIM


def directions(sample: np.ndarray) -> np.ndarray:
    """(d, 64) orthonormal directions of the largest mean square of (m, d) vectors.

    Distances between projections on these are never larger than distances.
    """
    return np.linalg.eigh(sample.T @ sample)[1][:, -DIM:]


def sketch_of(points: Points, rows: np.ndarray) -> np.ndarray:
    """(m, 64) float32 projections of m rows."""
    found = np.empty((len(rows), DIM), dtype=np.float32)
    along = directions(points.block(rows[np.linspace(0, len(rows) - 1, FROM).astype(np.int64)]))
    for start in range(0, len(rows), _BLOCK):
        np.matmul(points.block(rows[start : start + _BLOCK]), along, out=found[start : start + _BLOCK])
    return found
