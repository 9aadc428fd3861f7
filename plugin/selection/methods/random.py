"""Uniform random selection."""

from __future__ import annotations

import numpy as np

from ..method import register
from ..pool import Picks, Pool, top


@register(
    "random",
    "Uniform at random: the baseline every other method must beat",
    scored=True,
    columns={"score": "a draw by chance; the higher, the earlier it is kept"},
)
def random(pool: Pool, k: int) -> Picks:
    """Draws without replacement, proportionally to the weights (Efraimidis and Spirakis, 2006).

    Args:
        pool: the problem
        k: rows to pick

    Returns:
        the picks; scores are ``log(u) / weight`` with u uniform in (0, 1)
    """
    return top(pool, k, np.log(1 - pool.rng().random(len(pool))) / pool.weights)
