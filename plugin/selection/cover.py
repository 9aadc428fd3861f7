"""Greedy maximisation of coverage: the engine of facility location, MaxHerding and ProbCover."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

import numpy as np

from .pool import Pool

#: Rows up to which all similarities are held; larger pools use a graph of nearest neighbours.
DENSE_ROWS = 8192
#: Neighbours per row in that graph.
GRAPH_NEIGHBORS = 64


def similarity_matrix(
    pool: Pool, similarity: Callable[[np.ndarray], np.ndarray], scale: np.ndarray | None = None
) -> Any:
    """Similarities between rows, dense for small pools and over nearest neighbours for large ones.

    Args:
        pool: the problem
        similarity: turns an array of Euclidean distances between unit rows into similarities >= 0
        scale (None): (n,) scales of the rows; a distance is divided by the geometric mean of its two rows' first

    Returns:
        an (n, n) float32 array, or a scipy CSR matrix, in which row j holds what picking j gives to every row
    """
    from .neighbors import pairwise_distances

    n = len(pool)
    root = None if scale is None else np.sqrt(scale, dtype=np.float32)
    if n <= DENSE_ROWS:
        distances = pairwise_distances(pool.Z, pool.Z)
        np.fill_diagonal(distances, 0)
        return similarity(distances if root is None else distances / (root[:, None] * root)).astype(
            np.float32, copy=False
        )
    from scipy.sparse import csr_matrix

    indices, distances = pool.neighbors(GRAPH_NEIGHBORS)
    indices = np.column_stack([np.arange(n), indices])
    distances = np.column_stack([np.zeros(n, dtype=np.float32), distances])
    values = similarity(distances if root is None else distances / (root[:, None] * root[indices]))
    pointers = np.arange(n + 1) * indices.shape[1]
    graph = csr_matrix((values.ravel(), indices.ravel(), pointers), shape=(n, n))
    graph.eliminate_zeros()
    return graph.T.tocsr()


def greedy_cover(matrix: Any, k: int, pool: Pool) -> tuple[np.ndarray, np.ndarray]:
    """Maximises ``sum_i weight_i * max_{s in S} similarity(i, s)`` by lazy greedy (Minoux, 1978).

    Gains only shrink while S grows, so a row whose outdated gain is not the largest need not be evaluated. The result
    is that of plain greedy, at least (1 - 1/e) of the best possible.

    Args:
        matrix: what :func:`similarity_matrix` returns
        k: rows to pick
        pool: the problem: its kept rows cover first, its weights weigh the covered rows

    Returns:
        a tuple of (k,) int64 picks and their (k,) float64 gains
    """
    weights = pool.weights
    best = np.zeros(len(pool), dtype=np.float32)
    cover = _dense if isinstance(matrix, np.ndarray) else _sparse
    for row in pool.kept:
        cover(matrix, row, best, None)
    gains = np.array([cover(matrix, row, best, weights) for row in range(len(pool))])
    heap = [(-gain, row) for row, gain in enumerate(gains.tolist()) if pool.free[row]]
    heapq.heapify(heap)
    order = np.empty(k, dtype=np.int64)
    value = np.empty(k)
    for step in range(k):
        while True:
            _, row = heap[0]
            gain = cover(matrix, row, best, weights)
            heapq.heapreplace(heap, (-gain, row))
            if heap[0][1] == row:
                break
        heapq.heappop(heap)
        cover(matrix, row, best, None)
        order[step], value[step] = row, gain
        if step % 1000 == 0:
            pool.report(step / k, f"{step} of {k} picked")
    return order, value


def _dense(matrix: np.ndarray, row: int, best: np.ndarray, weights: np.ndarray | None) -> float:
    """The gain of a row; without weights the row is taken and ``best`` raised instead."""
    if weights is None:
        np.maximum(best, matrix[row], out=best)
        return 0.0
    return float(np.maximum(matrix[row] - best, 0) @ weights)


def _sparse(matrix: Any, row: int, best: np.ndarray, weights: np.ndarray | None) -> float:
    span = slice(matrix.indptr[row], matrix.indptr[row + 1])
    rows, values = matrix.indices[span], matrix.data[span]
    if weights is None:
        best[rows] = np.maximum(best[rows], values)
        return 0.0
    return float(np.maximum(values - best[rows], 0) @ weights[rows])
