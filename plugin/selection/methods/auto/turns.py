"""Clusters take turns in a coverage selection: how `auto` shares a coreset among the clusters of a pool."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...cover import Coverage, GainQueue
from ...pool import Pool


@dataclass(frozen=True)
class Priority:
    """Ranked rows that take a fixed share of each cluster's picks.

    Attributes:
        ranking: (n,) int64 rows, the first to pick first
        share: (c,) float64 in [0, 1] share of the ranked rows in each cluster's picks
    """

    ranking: np.ndarray
    share: np.ndarray

    def takes_turn(self, cluster: int, taken: int) -> bool:
        """Whether a cluster's next pick, after the first ``taken``, is a ranked one; they are spread evenly."""
        share = self.share[cluster]
        return int((taken + 1) * share + 1e-9) > int(taken * share + 1e-9)


def cover_in_turns(
    matrix: Any, k: int, pool: Pool, clusters: np.ndarray, shares: np.ndarray, priority: Priority
) -> np.ndarray:
    """Greedy coverage, as :func:`..cover.greedy_cover`, in which clusters take turns.

    The next row comes from the cluster that is furthest behind its share, counting the rows selected before (Webster's
    method of apportionment, as in :func:`...apportion.take_turns`). It is the one there that adds most to the coverage
    of all rows or, in the turns of ``priority``, the next one in the ranking.

    Args:
        matrix: what :func:`..cover.similarity_matrix` returns
        k: rows to pick
        pool: the problem: its preselected rows cover first, its weights weigh the covered rows
        clusters: (n,) int64 cluster of every row
        shares: (c,) positive numbers in whose proportion the clusters take turns
        priority: ranked rows that are picked in some of the turns instead

    Returns:
        (k,) int64 picks
    """
    coverage = Coverage(matrix, pool.weights)
    for row in pool.preselected:
        coverage.add(row)
    count = len(shares)
    free = pool.candidates.copy()
    queues = [GainQueue(coverage, rows) for rows in _by_cluster(np.flatnonzero(free), clusters, count)]
    ranked = [rows[free[rows]].tolist()[::-1] for rows in _by_cluster(priority.ranking, clusters, count)]
    taken = np.bincount(clusters[pool.preselected], minlength=count)
    left = np.bincount(clusters[free], minlength=count)
    turns = [((taken[cluster] + 0.5) / shares[cluster], cluster) for cluster in np.flatnonzero(left).tolist()]
    heapq.heapify(turns)
    order = np.empty(k, dtype=np.int64)
    for step in range(k):
        cluster = turns[0][1]
        if priority.takes_turn(cluster, taken[cluster]):
            while not free[ranked[cluster][-1]]:
                ranked[cluster].pop()
            row = ranked[cluster].pop()
            queues[cluster].discard(row)
        else:
            row = queues[cluster].pop()[0]
        coverage.add(row)
        order[step], free[row] = row, False
        taken[cluster] += 1
        left[cluster] -= 1
        if left[cluster]:
            heapq.heapreplace(turns, ((taken[cluster] + 0.5) / shares[cluster], cluster))
        else:
            heapq.heappop(turns)
        if step % 1000 == 0:
            pool.report(step / k, f"{len(pool.preselected) + step} picked")
    return order


def _by_cluster(rows: np.ndarray, clusters: np.ndarray, count: int) -> list[np.ndarray]:
    """The rows of every cluster, in their given order."""
    order = np.argsort(clusters[rows], kind="stable")
    ends = np.cumsum(np.bincount(clusters[rows], minlength=count))
    return np.split(rows[order], ends[:-1])
