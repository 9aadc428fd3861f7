"""Ranks by a score that the user brings."""

from __future__ import annotations

import numpy as np

from ..method import register
from ..pool import Picks, Pool, top, weighted_ranks


@register(
    "by_field",
    "By a score of your own, the highest first, e.g. a learned loss",
    scored=True,
    per_row=("score",),
    columns={"score": "the score as it was given; the higher, the earlier it is kept"},
)
def by_field(pool: Pool, k: int, score: np.ndarray) -> Picks:
    """Ranks by any number.

    All constraints work with it: ``groups`` and ``quota="uniform"`` give the top of each group. Weights multiply the
    ranks.

    Args:
        pool: the problem
        k: rows to pick
        score: (n,) numbers, higher = keep; rows without a finite one come last

    Returns:
        the picks
    """
    known = np.where(np.isfinite(score), score, -np.inf)
    picks = top(pool, k, weighted_ranks(known, pool.weights), without_score=int((~np.isfinite(score)).sum()))
    return Picks(picks.order, score, picks.details)
