"""Stratified random selection."""

from __future__ import annotations

import numpy as np

from ...vectors.kmeans import kmeans
from ..apportion import take_turns
from ..method import register
from ..pool import Picks, Pool
from .random import random


@register("stratified", "Random, with every class (or cluster) in proportion; steadier than random")
def stratified(pool: Pool, k: int, n_clusters: int = 200) -> Picks:
    """Picks from the strata in turn, in proportion to their size, in random order inside each.

    Args:
        pool: the problem; its labels are the strata where given
        k: rows to pick
        n_clusters (200): k-means clusters that serve as strata without labels; at most one for every 10 rows

    Returns:
        the picks
    """
    strata = pool.labels if pool.labels is not None else cluster_ids(pool, n_clusters)
    sizes = np.bincount(strata)
    order = random(pool, len(pool)).order
    taken = np.bincount(strata[pool.preselected], minlength=len(sizes))
    return Picks(take_turns(order, strata, np.maximum(sizes, 1), taken)[:k], details={"strata": int((sizes > 0).sum())})


def cluster_ids(pool: Pool, n_clusters: int) -> np.ndarray:
    """k-means clusters of the unit-norm rows.

    Args:
        pool: the problem
        n_clusters: clusters wanted; fewer where they would have less than 10 rows on average

    Returns:
        (n,) int64 cluster of every row
    """
    return kmeans(pool.Z, max(1, min(n_clusters, len(pool) // 10)), seed=pool.seed)[0]
