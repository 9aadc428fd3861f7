"""The compiled loops of coverage, over all similarities or a graph of neighbours, the three arrays of a CSR matrix."""

from __future__ import annotations

import numpy as np

from ..vectors.jit import jit


@jit
def dense_gains(matrix, best, weights, rows):
    """(m,) float64 what each of some rows would add, see :func:`graph_gains`; matrix (n, n) float32."""
    gains = np.empty(len(rows))
    for place in range(len(rows)):
        similarity = matrix[rows[place]]
        gain = 0.0
        for covered in range(len(best)):
            gain += weights[covered] * max(similarity[covered] - best[covered], np.float32(0))
        gains[place] = gain
    return gains


@jit
def graph_gains(indptr, indices, data, best, weights, rows):
    """(m,) float64 what each of some rows would add: the sum of ``weights * max(similarity - best, 0)``."""
    gains = np.empty(len(rows))
    for place in range(len(rows)):
        gain = 0.0
        for entry in range(indptr[rows[place]], indptr[rows[place] + 1]):
            covered = indices[entry]
            more = data[entry] - best[covered]
            if more > 0:
                gain += weights[covered] * more
        gains[place] = gain
    return gains


@jit
def raise_best(indptr, indices, data, best, row):
    """Raises ``best`` to the similarities of a row."""
    for entry in range(indptr[row], indptr[row + 1]):
        covered = indices[entry]
        best[covered] = max(best[covered], data[entry])


@jit
def neighbor_of(indices, distances):
    """The three arrays of a CSR matrix in which row j holds the rows that j is a neighbour of, ascending, with their
    distances, and itself at 0; ``indices`` and ``distances`` are (n, k) neighbours of every row.
    """
    n, k = indices.shape
    ends = np.ones(n + 1, dtype=np.int64)
    ends[0] = 0
    for row in range(n):
        for place in range(k):
            ends[indices[row, place] + 1] += 1
    for row in range(n):
        ends[row + 1] += ends[row]
    rows = np.empty(ends[n], dtype=np.int32)
    apart = np.empty(ends[n], dtype=np.float32)
    free = ends[:-1].copy()
    for row in range(n):
        rows[free[row]], apart[free[row]] = row, 0
        free[row] += 1
        for place in range(k):
            entry = free[indices[row, place]]
            rows[entry], apart[entry] = row, distances[row, place]
            free[indices[row, place]] += 1
    return apart, rows, ends
