"""The compiled loops over blocks of a product: nearest rows, and the nearest alone."""

from __future__ import annotations

import numpy as np

from .jit import jit


@jit
def nearest_columns(values, k):
    """The columns of the k smallest values of every row, in no order; values (m, q) float32, k at most q.

    A heap a row, its largest value on top: nearly all values are larger and cost one comparison.
    """
    best = np.empty((values.shape[0], k), dtype=np.float32)
    columns = np.empty((values.shape[0], k), dtype=np.int64)
    for row in range(values.shape[0]):
        heap, ids = best[row], columns[row]
        heap[:] = np.inf
        ids[:] = 0
        for column in range(values.shape[1]):
            value = values[row, column]
            if value < heap[0]:
                place = 0
                while True:
                    child = 2 * place + 1
                    if child >= k:
                        break
                    if child + 1 < k and heap[child + 1] > heap[child]:
                        child += 1
                    if heap[child] <= value:
                        break
                    heap[place], ids[place] = heap[child], ids[child]
                    place = child
                heap[place], ids[place] = value, column
    return columns


@jit
def exact_distances(rows, others, columns):
    """(m, k) float32 distances between row i and ``others[columns[i, j]]``, by differences, which keep the digits of
    near copies.
    """
    distances = np.empty(columns.shape, dtype=np.float32)
    for row in range(columns.shape[0]):
        for place in range(columns.shape[1]):
            total = np.float32(0)
            other = others[columns[row, place]]
            for axis in range(rows.shape[1]):
                difference = rows[row, axis] - other[axis]
                total += difference * difference
            distances[row, place] = np.sqrt(total)
    return distances


@jit
def lower_nearest(nearest, product, norms, other_norms):
    """Lowers ``nearest``, (m,) float32 Euclidean distances, to those that an (m, q) product of unit rows tells.

    One pass instead of the five of :func:`.neighbors.pairwise_distances`, whose rounding it shares: distances below
    1e-3 are 0.
    """
    for row in range(product.shape[0]):
        least = np.float32(np.inf)
        for column in range(product.shape[1]):
            least = min(least, other_norms[column] - 2 * product[row, column])
        squared = least + norms[row]
        nearest[row] = min(nearest[row], np.sqrt(squared) if squared >= 1e-6 else np.float32(0))
