"""Greedy maximisation of coverage: the engine of facility location, MaxHerding and ProbCover."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..vectors.matrix import blocks
from .costs import affordable
from .pool import GRAPH_NEIGHBORS, Pool

#: Rows up to which all similarities are held; larger pools use a graph of nearest neighbours.
DENSE_ROWS = 8192


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
    return similarities(distance_matrix(pool), similarity, scale)


def distance_matrix(pool: Pool, neighbors: tuple[np.ndarray, np.ndarray] | None = None) -> Any:
    """Euclidean distances between unit rows, dense for small pools and over nearest neighbours for large ones.

    Args:
        pool: the problem
        neighbors (None): what ``pool.neighbors(GRAPH_NEIGHBORS)`` returned, if it is known

    Returns:
        an (n, n) float32 array, or a scipy CSR matrix in which row j holds the rows that j is a neighbour of, itself
        among them
    """
    from ..vectors.neighbors import pairwise_distances

    n = len(pool)
    if n <= DENSE_ROWS:
        distances = pairwise_distances(pool.Z, pool.Z)
        np.fill_diagonal(distances, 0)
        return distances
    from scipy.sparse import csr_matrix

    from .cover_kernel import neighbor_of

    return csr_matrix(neighbor_of(*(neighbors or pool.neighbors(GRAPH_NEIGHBORS))), shape=(n, n))


def similarities(
    distances: Any, similarity: Callable[[np.ndarray], np.ndarray], scale: np.ndarray | None = None
) -> Any:
    """Turns what :func:`distance_matrix` returns into similarities, see :func:`similarity_matrix`.

    A CSR matrix has the links of the distances, also where the similarity is 0; it shares their arrays.
    """
    root = None if scale is None else np.sqrt(scale, dtype=np.float32)
    if isinstance(distances, np.ndarray):
        scaled = distances if root is None else distances / (root[:, None] * root)
        return similarity(scaled).astype(np.float32, copy=False)
    values = np.empty(distances.nnz, dtype=np.float32)
    for rows in blocks(distances.shape[0]):
        ends = distances.indptr[rows.start : rows.stop + 1]
        links = slice(ends[0], ends[-1])
        scaled = distances.data[links]
        if root is not None:
            scaled = scaled / (np.repeat(root[rows], np.diff(ends)) * root[distances.indices[links]])
        values[links] = similarity(scaled)
    return type(distances)((values, distances.indices, distances.indptr), shape=distances.shape)


class Coverage:
    """Facility location: ``f(S) = sum_i weight_i * max_{s in S} similarity(i, s)``, and how much a row would add to it.

    Args:
        matrix: what :func:`similarity_matrix` returns
        weights: (n,) float64 weights of the covered rows
        covered (None): (n,) float32 similarity of each row to what is kept outside of the matrix; 0 by default
    """

    def __init__(self, matrix: Any, weights: np.ndarray, covered: np.ndarray | None = None) -> None:
        self._matrix = matrix
        self._weights = weights
        self._best = np.zeros(len(weights), dtype=np.float32) if covered is None else covered
        self._is_dense = isinstance(matrix, np.ndarray)

    def gains(self, rows: np.ndarray) -> np.ndarray:
        """By how much f would grow if one of some rows were added; S stays as it is.

        Args:
            rows: (m,) int64

        Returns:
            (m,) float64
        """
        from .cover_kernel import dense_gains, graph_gains

        if self._is_dense:
            return dense_gains(self._matrix, self._best, self._weights, rows)
        matrix = self._matrix
        return graph_gains(matrix.indptr, matrix.indices, matrix.data, self._best, self._weights, rows)

    def copy(self) -> Coverage:
        """The same S, which grows by itself."""
        return Coverage(self._matrix, self._weights, self._best.copy())

    def add(self, row: int) -> None:
        """Adds a row to S."""
        if self._is_dense:
            np.maximum(self._best, self._matrix[row], out=self._best)
            return
        from .cover_kernel import raise_best

        raise_best(self._matrix.indptr, self._matrix.indices, self._matrix.data, self._best, row)


class GainQueue:
    """Rows, the one with the largest gain first, found by lazy evaluation (Minoux, 1978).

    Gains only shrink while S grows, so a row whose outdated gain is not the largest need not be evaluated.

    Args:
        coverage: what gains are measured by
        rows: (r,) int64 the rows to give
        cost (None): (n,) positive cost of every row; the largest gain per cost comes first then
    """

    def __init__(self, coverage: Coverage, rows: np.ndarray, cost: np.ndarray | None = None) -> None:
        self._coverage = coverage
        self._cost = cost
        self._heap = list(zip((-self._worth(rows)).tolist(), rows.tolist(), strict=True))
        self._gone: set[int] = set()
        heapq.heapify(self._heap)

    def pop(self) -> tuple[int, float]:
        """Removes the row with the largest gain, the first of equals; returns it and its gain."""
        found = self.first()
        heapq.heappop(self._heap)
        return found

    def first(self) -> tuple[int, float]:
        """The row with the largest gain, the first of equals, and its gain; it stays."""
        while True:
            row = self._heap[0][1]
            if row in self._gone:
                heapq.heappop(self._heap)
                continue
            worth = float(self._worth(np.array([row]))[0])
            heapq.heapreplace(self._heap, (-worth, row))
            if self._heap[0][1] == row:
                return row, worth if self._cost is None else worth * self._cost[row]

    def _worth(self, rows: np.ndarray) -> np.ndarray:
        gains = self._coverage.gains(rows)
        return gains if self._cost is None else gains / self._cost[rows]

    def discard(self, row: int) -> None:
        """Removes a row."""
        self._gone.add(row)


def greedy_cover(
    matrix: Any,
    k: int,
    pool: Pool,
    coverage: Coverage | None = None,
    cost: np.ndarray | None = None,
    budget: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Maximises :class:`Coverage` by lazy greedy: time after time the row that adds most.

    The result is that of plain greedy, at least (1 - 1/e) of the best possible (Nemhauser, Wolsey and Fisher, 1978).
    With a budget, rows that do not fit into what is left of it are passed over, and come last. Where a single row that
    it pays for adds more than all that were paid, this row comes first: at least half of (1 - 1/e) of the best possible
    (Leskovec et al., 2007).

    Args:
        matrix: what :func:`similarity_matrix` returns
        k: rows to pick
        pool: the problem: its kept rows cover first, its weights weigh the covered rows
        coverage (None): what is covered already, and other weights of the covered rows
        cost (None): (n,) positive cost of every row, by which gains are divided
        budget (None): what may be spent

    Returns:
        a tuple of (k,) int64 picks and their (k,) float64 gains
    """
    coverage = coverage or Coverage(matrix, pool.weights)
    for row in pool.preselected:
        coverage.add(row)
    rows = np.flatnonzero(pool.candidates)
    if cost is None or budget is None:
        return _greedy(coverage, rows, k, pool, cost, math.inf)
    order, gains = _greedy(coverage.copy(), rows, k, pool, cost, budget)
    fits = rows[cost[rows] <= budget]
    alone = coverage.gains(fits)
    if gains[: len(affordable(order, cost, budget))].sum() >= alone.max(initial=0):
        return order, gains
    best = int(alone.argmax())
    first = fits[best]
    coverage.add(first)
    order, after = _greedy(coverage, rows[rows != first], k - 1, pool, cost, budget - cost[first])
    return np.insert(order, 0, first), np.insert(after, 0, alone[best])


def _greedy(
    coverage: Coverage, rows: np.ndarray, k: int, pool: Pool, cost: np.ndarray | None, budget: float
) -> tuple[np.ndarray, np.ndarray]:
    """K of the rows by their gains, or gains per cost: what the budget pays for, and then the others."""
    order, gains = np.empty(k, dtype=np.int64), np.empty(k)
    step = 0
    for left in (budget, math.inf):
        queue, passed_over = GainQueue(coverage, rows, cost), []
        for _ in range(len(rows)):
            if step == k:
                return order, gains
            row, gain = queue.pop()
            if cost is not None and cost[row] > left:
                passed_over.append(row)
                continue
            order[step], gains[step] = row, gain
            coverage.add(row)
            left -= 0 if cost is None else cost[row]
            if step % 1000 == 0:
                pool.report(step / k, f"{len(pool.preselected) + step} picked")
            step += 1
        rows = np.array(passed_over, dtype=np.int64)
    return order, gains
