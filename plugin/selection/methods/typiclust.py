"""TypiClust: the most typical image of every cluster."""

from __future__ import annotations

import numpy as np

from ...vectors.kmeans import kmeans
from ...vectors.neighbors import nearest_neighbors
from ..method import register
from ..pool import Picks, Pool

_MAX_CLUSTERS = 500
_SMALL_CLUSTER = 5


@register(
    "typiclust",
    "TypiClust: most typical image of each cluster; for a first batch of up to 500",
    nested=False,
    columns={"score": "how typical it is of its cluster"},
)
def typiclust(pool: Pool, k: int, n_neighbors: int = 20) -> Picks:
    """Cycles through clusters, least covered and then largest first, picking the densest free row of each.

    Typicality is the inverse mean distance to the nearest neighbours inside the cluster (Hacohen, Dekel and Weinshall,
    ICML 2022). There are as many clusters as rows to keep, at most 500; clusters of up to 5 rows come last. Weights
    multiply typicality. Not nested below 500, where the number of clusters follows the budget.

    Args:
        pool: the problem
        k: rows to pick
        n_neighbors (20): neighbours that typicality averages over; at most half of the cluster

    Returns:
        the picks, with typicality as scores

    References:
        Hacohen, Dekel and Weinshall: Active Learning on a Budget: Opposite Strategies Suit High and Low Budgets.
        ICML 2022.
    """
    clusters = kmeans(pool.Z, min(k + len(pool.preselected), _MAX_CLUSTERS), seed=pool.seed)[0]
    sizes = np.bincount(clusters)
    typicality = np.empty(len(pool))
    for cluster in np.flatnonzero(sizes):
        rows = np.flatnonzero(clusters == cluster)
        distances = nearest_neighbors(pool.Z[rows], max(1, min(n_neighbors, len(rows) // 2)), seed=pool.seed)[1]
        typicality[rows] = 1 / (distances.mean(axis=1) + 1e-5) if distances.shape[1] else 0
    typicality *= pool.weights
    order = np.lexsort((-typicality, clusters))
    order = order[pool.candidates[order]]
    counts = np.bincount(clusters[order], minlength=len(sizes))
    taken = np.bincount(clusters[pool.preselected], minlength=len(sizes))
    # A cluster comes next when no other cluster has fewer picks.
    visit = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts) + taken[clusters[order]]
    small = sizes[clusters[order]] <= _SMALL_CLUSTER
    turns = np.lexsort((-sizes[clusters[order]], visit, small))
    return Picks(order[turns][:k], typicality, {"clusters": int((sizes > 0).sum())})
