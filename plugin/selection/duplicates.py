"""Near-duplicates: which images show the same thing, as the data itself tells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .neighbors import nearest_neighbors

#: Neighbours per row among which near-duplicates are looked for.
_NEIGHBORS = 10


@dataclass(frozen=True)
class NearDuplicates:
    """Groups of near-duplicates.

    Attributes:
        groups: (n,) int64 group of every row, numbered from 0; a row without near-duplicates is a group of its own
        threshold: the L2 distance between unit-norm embeddings up to which rows were linked; 0 if only exact copies
            were
        centrality: (n,) float32 distance of every row to the mean of its group
    """

    groups: np.ndarray
    threshold: float
    centrality: np.ndarray

    def representatives(self, prefer: np.ndarray | None = None) -> np.ndarray:
        """Picks the most central row of every group.

        Args:
            prefer (None): int rows that represent their group whatever their place in it

        Returns:
            (n,) bool, True in one row of every group (in all preferred ones where there are several)
        """
        preferred = np.zeros(len(self.groups), dtype=bool)
        if prefer is not None:
            preferred[prefer] = True
        order = np.lexsort((np.arange(len(self.groups)), self.centrality, ~preferred, self.groups))
        first = np.r_[True, self.groups[order][1:] != self.groups[order][:-1]]
        chosen = preferred.copy()
        chosen[order[first]] = True
        return chosen


def near_duplicates(
    unit: np.ndarray, *, threshold: float | None = None, seed: int = 0, num_workers: int | None = None
) -> NearDuplicates:
    """Groups near-duplicates.

    Args:
        unit: (n, d) float32 unit-norm embeddings
        threshold (None): largest L2 distance of linked rows; found in the data by default
        seed (0): seed of the neighbour search
        num_workers (None): threads

    Returns:
        the groups
    """
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    n = len(unit)
    indices, distances = nearest_neighbors(unit, _NEIGHBORS, seed=seed, num_workers=num_workers)
    if threshold is None:
        threshold = 0.0
    linked = distances <= max(threshold, 1e-6)
    rows = np.repeat(np.arange(n), linked.sum(axis=1))
    graph = csr_matrix((np.ones(len(rows)), (rows, indices[linked])), shape=(n, n))
    groups = connected_components(graph, directed=False)[1].astype(np.int64)
    return NearDuplicates(groups, threshold, _centrality(unit, groups))


def representatives_first(ranking: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Moves all but the first image of every near-duplicate group to the end of a ranking.

    Args:
        ranking: (r,) int rows, first to keep first
        groups: (n,) group of every row

    Returns:
        (r,) int64, a permutation of ``ranking`` that keeps the order inside both parts
    """
    first = np.zeros(len(ranking), dtype=bool)
    first[np.unique(groups[ranking], return_index=True)[1]] = True
    return np.concatenate([ranking[first], ranking[~first]])


def _centrality(unit: np.ndarray, groups: np.ndarray) -> np.ndarray:
    from scipy.sparse import csr_matrix

    n, count = len(groups), int(groups.max()) + 1
    membership = csr_matrix((np.ones(n, dtype=np.float32), (groups, np.arange(n))), shape=(count, n))
    means = (membership @ unit) / np.bincount(groups)[:, None]
    distance = np.empty(n, dtype=np.float32)
    for start in range(0, n, 65_536):
        rows = slice(start, start + 65_536)
        distance[rows] = np.linalg.norm(unit[rows] - means[groups[rows]], axis=1)
    return distance
