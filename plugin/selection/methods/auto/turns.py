"""Clusters take turns in a coverage selection: how `auto` shares a coreset among the clusters of a pool."""

from __future__ import annotations

import heapq
from collections.abc import Callable
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

    The next row comes from the cluster that is furthest behind its share, counting the rows selected before, or, while
    none is behind, from that in which most can be covered, see :class:`_Turns`. It is the one there that adds most to
    the coverage of all rows or, in the turns of ``priority``, the next one in the ranking.

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
    taken, left = (np.bincount(clusters[rows], minlength=count) for rows in (pool.preselected, free))
    turns = _Turns(shares, taken, left)
    order = np.empty(k, dtype=np.int64)
    for step in range(k):
        cluster, taken_before = turns.next(lambda cluster: queues[cluster].first()[1])
        if priority.takes_turn(cluster, taken_before):
            while not free[ranked[cluster][-1]]:
                ranked[cluster].pop()
            row = ranked[cluster].pop()
            queues[cluster].discard(row)
        else:
            row = queues[cluster].pop()[0]
        coverage.add(row)
        order[step], free[row] = row, False
        if step % 1000 == 0:
            pool.report(step / k, f"{len(pool.preselected) + step} picked")
    return order


class _Turns:
    """Whose turn it is.

    A cluster is behind if it has fewer picks than its share, rounded; the one furthest behind comes first (Webster's
    method of apportionment, as in :func:`...apportion.take_turns`). While none is behind, that which gains most comes
    among those that stay within their share, rounded up. So a coreset of fewer rows than clusters goes where it covers
    most, not to the largest clusters, and a large one follows the shares.

    Args:
        shares: (c,) positive numbers
        taken: (c,) int64 picks of every cluster
        left: (c,) int64 picks that it can still give
    """

    def __init__(self, shares: np.ndarray, taken: np.ndarray, left: np.ndarray) -> None:
        self._shares = (shares / shares.sum()).tolist()
        self._taken = taken.tolist()
        self._left = left.tolist()
        self._picks = sum(self._taken)
        # By when a cluster is behind, from when on it may come, and what it gains, or gained when last asked.
        self._behind, self._may, self._gain = _Heap(self._taken), _Heap(self._taken), _Heap(self._taken)
        for cluster in np.flatnonzero(left).tolist():
            self._enter(cluster)

    def _enter(self, cluster: int) -> None:
        self._behind.push((self._taken[cluster] + 0.5) / self._shares[cluster], cluster)
        self._may.push(self._taken[cluster] / self._shares[cluster], cluster)

    def next(self, gain: Callable[[int], float]) -> tuple[int, int]:
        """The cluster whose turn it is, which is counted, and how many picks it had before.

        Args:
            gain: what a cluster's next pick gains; less, or as much, whenever it is asked again
        """
        self._picks += 1
        first = self._behind.first()
        cluster = first[1] if first[0] <= self._picks else self._most(gain)
        taken = self._taken[cluster]
        self._taken[cluster] += 1
        self._left[cluster] -= 1
        if self._left[cluster]:
            self._enter(cluster)
        return cluster, taken

    def _most(self, gain: Callable[[int], float]) -> int:
        while self._may and (self._may.first()[0] < self._picks or not self._gain):
            self._gain.push(-np.inf, self._may.pop()[1])
        while True:
            cluster = self._gain.pop()[1]
            self._gain.push(-gain(cluster), cluster)
            if self._gain.first()[1] == cluster:
                return cluster


class _Heap:
    """Clusters by a value; an entry counts while its cluster has the picks that it had when entered.

    Args:
        taken: picks of every cluster; changed outside
    """

    def __init__(self, taken: list[int]) -> None:
        self._taken = taken
        self._entries: list[tuple[float, int, int]] = []

    def __bool__(self) -> bool:
        while self._entries and self._entries[0][2] != self._taken[self._entries[0][1]]:
            heapq.heappop(self._entries)
        return bool(self._entries)

    def push(self, value: float, cluster: int) -> None:
        heapq.heappush(self._entries, (value, cluster, self._taken[cluster]))

    def first(self) -> tuple[float, int]:
        """The smallest value and its cluster, the first of equals."""
        assert self, "no cluster has rows left"
        return self._entries[0][:2]

    def pop(self) -> tuple[float, int]:
        """Removes what :meth:`first` returns."""
        first = self.first()
        heapq.heappop(self._entries)
        return first


def _by_cluster(rows: np.ndarray, clusters: np.ndarray, count: int) -> list[np.ndarray]:
    """The rows of every cluster, in their given order."""
    order = np.argsort(clusters[rows], kind="stable")
    ends = np.cumsum(np.bincount(clusters[rows], minlength=count))
    return np.split(rows[order], ends[:-1])
