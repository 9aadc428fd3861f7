"""Greedy maximisation of coverage: the engine of facility location, MaxHerding and ProbCover."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .pool import Pool

#: Rows up to which all similarities are held; larger pools use a graph of nearest neighbours.
DENSE_ROWS = 8192
#: Neighbours per row in that graph.
GRAPH_NEIGHBORS = 64


@dataclass(frozen=True)
class Favourites:
    """Rows that regions give in some of their turns, whatever they add to the coverage.

    Attributes:
        ranking: (n,) int64 rows, first to give first
        share: (r,) float64 in [0, 1], share of a region's turns in which it gives its first one in the ranking
    """

    ranking: np.ndarray
    share: np.ndarray

    def in_turn(self, region: int, taken: int) -> bool:
        """True if the image after the first ``taken`` of a region is a favourite; they are spread evenly."""
        share = self.share[region]
        return int((taken + 1) * share + 1e-9) > int(taken * share + 1e-9)


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

    indices, distances = neighbors or pool.neighbors(GRAPH_NEIGHBORS)
    indices = np.column_stack([np.arange(n), indices])
    distances = np.column_stack([np.zeros(n, dtype=np.float32), distances])
    pointers = np.arange(n + 1) * indices.shape[1]
    return csr_matrix((distances.ravel(), indices.ravel(), pointers), shape=(n, n)).T.tocsr()


def similarities(
    distances: Any, similarity: Callable[[np.ndarray], np.ndarray], scale: np.ndarray | None = None
) -> Any:
    """Turns what :func:`distance_matrix` returns into similarities, see :func:`similarity_matrix`."""
    root = None if scale is None else np.sqrt(scale, dtype=np.float32)
    if isinstance(distances, np.ndarray):
        scaled = distances if root is None else distances / (root[:, None] * root)
        return similarity(scaled).astype(np.float32, copy=False)
    scaled = distances.data
    if root is not None:
        scaled = scaled / (np.repeat(root, np.diff(distances.indptr)) * root[distances.indices])
    graph = type(distances)((similarity(scaled), distances.indices, distances.indptr), shape=distances.shape, copy=True)
    graph.eliminate_zeros()
    return graph


def greedy_cover(
    matrix: Any,
    k: int,
    pool: Pool,
    regions: np.ndarray | None = None,
    shares: np.ndarray | None = None,
    favourites: Favourites | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Maximises ``sum_i weight_i * max_{s in S} similarity(i, s)`` by lazy greedy (Minoux, 1978).

    Gains only shrink while S grows, so a row whose outdated gain is not the largest need not be evaluated. The result
    is that of plain greedy, at least (1 - 1/e) of the best possible.

    With regions, the next row comes from the region that is furthest behind its share, counting kept rows (Webster's
    method of apportionment, as in :func:`.quotas.take_turns`), and is the one there that adds most to the coverage of
    all rows.

    Args:
        matrix: what :func:`similarity_matrix` returns
        k: rows to pick
        pool: the problem: its kept rows cover first, its weights weigh the covered rows
        regions (None): (n,) region of every row; one region by default
        shares (None): positive numbers in whose proportion the regions take turns
        favourites (None): rows that regions give in some of their turns instead

    Returns:
        a tuple of (k,) int64 picks and their (k,) float64 gains
    """
    weights = pool.weights
    if regions is None or shares is None:
        regions, shares = np.zeros(len(pool), dtype=np.int64), np.ones(1)
    best = np.zeros(len(pool), dtype=np.float32)
    cover = _dense if isinstance(matrix, np.ndarray) else _sparse
    for row in pool.kept:
        cover(matrix, row, best, None)
    free = pool.free.copy()
    heaps: list[list[tuple[float, int]]] = [[] for _ in shares]
    for row in np.flatnonzero(free).tolist():
        heaps[regions[row]].append((-cover(matrix, row, best, weights), row))
    queues: list[list[int]] = [[] for _ in shares]
    if favourites is not None:
        for row in favourites.ranking[::-1].tolist():
            queues[regions[row]].append(row)
    taken, left = (np.bincount(regions[rows], minlength=len(shares)) for rows in (pool.kept, np.flatnonzero(free)))
    turns = [((taken[region] + 0.5) / shares[region], region) for region in np.flatnonzero(left).tolist()]
    for ordered in (turns, *heaps):
        heapq.heapify(ordered)
    order = np.empty(k, dtype=np.int64)
    value = np.empty(k)
    for step in range(k):
        region = turns[0][1]
        if favourites is not None and favourites.in_turn(region, taken[region]):
            row = _first_free(queues[region], free)
            gain = cover(matrix, row, best, weights)
        else:
            row, gain = _largest_gain(heaps[region], free, lambda row: cover(matrix, row, best, weights))
        cover(matrix, row, best, None)
        order[step], value[step], free[row] = row, gain, False
        taken[region] += 1
        left[region] -= 1
        if left[region]:
            heapq.heapreplace(turns, ((taken[region] + 0.5) / shares[region], region))
        else:
            heapq.heappop(turns)
        if step % 1000 == 0:
            pool.report(step / k, f"{len(pool.kept) + step} picked")
    return order, value


def _first_free(queue: list[int], free: np.ndarray) -> int:
    """The last row of the queue that is free; the others behind it are dropped."""
    while not free[queue[-1]]:
        queue.pop()
    return queue[-1]


def _largest_gain(
    heap: list[tuple[float, int]], free: np.ndarray, gain_of: Callable[[int], float]
) -> tuple[int, float]:
    """The free row of the heap with the largest gain, evaluated only as far as needed, and its gain."""
    while True:
        row = heap[0][1]
        if not free[row]:
            heapq.heappop(heap)
            continue
        gain = gain_of(row)
        heapq.heapreplace(heap, (-gain, row))
        if heap[0][1] == row:
            return row, gain


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
