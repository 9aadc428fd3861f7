"""D2 pruning: difficulty and diversity by message passing."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

import numpy as np

from ..method import register
from ..pool import Picks, Pool

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


@register("d2", "D2 pruning: messages over a neighbour graph balance difficulty and diversity", per_row=("difficulty",))
def d2(pool: Pool, k: int, difficulty: np.ndarray | None = None, n_neighbors: int = 5, gamma: float = 1.0) -> Picks:
    """Picks the row with the largest message and damps its neighbours (Maharana, Yadav and Bansal, ICLR 2024).

    Every row starts with its difficulty plus ``exp(-d)`` times that of its graph neighbours; a pick subtracts
    ``exp(-gamma d)`` times its message from theirs. Distances are measured in medians of the nearest-neighbour
    distance, since ``exp(-d)`` hardly varies on an arbitrary scale. Weights multiply the difficulty.

    Args:
        pool: the problem
        k: rows to pick
        difficulty (None): (n,) difficulty, higher = keep, or "head" for that of the light head on the labels; 1 for
            every row by default
        n_neighbors (5): neighbours per row; the graph is made symmetric
        gamma (1.0): how fast damping decays with distance

    Returns:
        the picks

    References:
        Maharana, Yadav and Bansal: D2 Pruning: Message Passing for Balancing Diversity and Difficulty in Data Pruning.
        ICLR 2024.
    """
    graph = _graph(pool, n_neighbors)
    start = pool.weights * (1.0 if difficulty is None else difficulty)
    message = start + _exp(graph, 1.0) @ start
    damping = _exp(graph, gamma)
    done = np.zeros(len(pool), dtype=bool)

    def take(row: int) -> np.ndarray:
        done[row] = True
        span = slice(damping.indptr[row], damping.indptr[row + 1])
        touched = damping.indices[span]
        message[touched] -= damping.data[span] * message[row]
        return touched

    for row in pool.preselected:
        take(row)
    heap = [(-value, row) for row, value in enumerate(message.tolist()) if not done[row]]
    heapq.heapify(heap)
    order = np.empty(k, dtype=np.int64)
    for step in range(k):
        while True:
            value, row = heapq.heappop(heap)
            if not done[row] and value == -message[row]:
                break
        order[step] = row
        for touched in take(row):
            if not done[touched]:
                heapq.heappush(heap, (-float(message[touched]), int(touched)))
    return Picks(order, details={"n_neighbors": n_neighbors, "gamma": gamma})


def _graph(pool: Pool, n_neighbors: int) -> csr_matrix:
    """Symmetric CSR graph of scaled distances."""
    from scipy.sparse import csr_matrix

    indices, distances = pool.neighbors(n_neighbors)
    if indices.shape[1] == 0:
        return csr_matrix((len(pool), len(pool)))
    scale = float(np.median(distances[:, 0])) or 1.0
    pointers = np.arange(len(pool) + 1) * indices.shape[1]
    # Exact copies are neighbours too: a distance of 0 would not be stored as an edge.
    values = np.maximum(distances.ravel().astype(np.float64) / scale, 1e-12)
    graph = csr_matrix((values, indices.ravel(), pointers), shape=(len(pool), len(pool)))
    return graph.maximum(graph.T).tocsr()


def _exp(graph: csr_matrix, gamma: float) -> csr_matrix:
    result = graph.copy()
    result.data = np.exp(-gamma * result.data)
    return result
