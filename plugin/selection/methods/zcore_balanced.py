"""ZCore inside cluster quotas."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...vectors.neighbors import isolation
from ..apportion import take_turns
from ..method import register
from ..pool import Picks, Pool, weighted_ranks
from .stratified import cluster_ids
from .zcore.scores import zcore_scores
from .zcore.selector import COLUMNS, OPTIONS, score_pool


@register(
    "zcore_balanced",
    "ZCore inside proportional cluster quotas, isolated images last; starves no cluster",
    passes_to=(zcore_scores,),
    columns=COLUMNS,
    options=OPTIONS,
)
def zcore_balanced(pool: Pool, k: int, n_clusters: int = 50, guard: float = 0.02, **parameters: Any) -> Picks:
    """Takes the best ZCore scores of every cluster in turn, and the most isolated rows only when nothing else is left.

    Top-k by the plain score can lose whole classes at small budgets; quotas by cluster repair that.

    Args:
        pool: the problem
        k: rows to pick
        n_clusters (50): k-means clusters; at most one for every 10 rows
        guard (0.02): share of the rows, the most isolated by mean distance to their 10 nearest neighbours, put last
        **parameters: passed to :func:`.zcore.scores.zcore_scores`, e.g. ``n_draws``

    Returns:
        the picks, with the ZCore scores

    References:
        Griffin et al.: Zero-Shot Coreset Selection. WACV 2026.
    """
    scores, columns, details = score_pool(pool, parameters)
    clusters = cluster_ids(pool, n_clusters)
    sizes = np.bincount(clusters)
    order = np.argsort(-weighted_ranks(scores, pool.weights), kind="stable")
    order = order[pool.candidates[order]]
    lonely = isolation(pool.Z, seed=pool.seed, num_workers=pool.num_workers)
    aside = np.zeros(len(pool), dtype=bool)
    aside[np.argsort(-lonely, kind="stable")[: int(guard * len(pool))]] = True
    taken = np.bincount(clusters[pool.preselected], minlength=len(sizes))
    turns = take_turns(order[~aside[order]], clusters, np.maximum(sizes, 1), taken)
    last = order[aside[order]]
    details |= {"clusters": int((sizes > 0).sum()), "isolated_last": int(aside.sum())}
    return Picks(np.concatenate([turns, last])[:k], scores, details, columns)
