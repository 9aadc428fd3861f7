"""ZCore: zero-shot coreset scores."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...pool import Picks, Pool, top, weighted_ranks
from ...registry import register


@register("zcore", "ZCore: coverage minus redundancy over random subspaces; drops near-duplicates", scored=True)
def zcore(pool: Pool, k: int, n_draws: int | None = None, sample_dim: int = 2, n_neighbors: int = 1000) -> Picks:
    """Keeps the highest ZCore scores (Griffin et al., "Zero-Shot Coreset Selection", WACV 2026).

    Args:
        pool: the problem
        k: rows to pick
        n_draws (None): random draws; by default enough for a stable ranking
        sample_dim (2): dimensions per draw
        n_neighbors (1000): rows penalised around every hit

    Returns:
        the picks, with the ZCore scores
    """
    scores, details = zcore_ranking(pool, n_draws=n_draws, sample_dim=sample_dim, n_neighbors=n_neighbors)
    return top(pool, k, weighted_ranks(scores, pool.weights), **details)


def zcore_ranking(pool: Pool, **parameters: Any) -> tuple[np.ndarray, dict[str, Any]]:
    """ZCore scores of a pool.

    Args:
        pool: the problem
        **parameters: passed to :func:`.scores.zcore_scores`

    Returns:
        a tuple of (n,) float64 scores and facts about the run
    """
    from .scores import zcore_scores

    if (pool.X[0] == pool.X).all():  # one row, or copies of one: nothing to tell apart
        return np.zeros(len(pool)), {}
    result = zcore_scores(pool.X, seed=pool.seed, num_workers=pool.num_workers, progress=pool.report, **parameters)
    return result.score, {"n_draws": int(result.n_draws), "reliability": float(result.reliability)}
