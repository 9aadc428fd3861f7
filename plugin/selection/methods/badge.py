"""BADGE: k-means++ on gradients."""

from __future__ import annotations

import numpy as np

from ..gradients import Gradients
from ..method import register
from ..pool import Picks, Pool

#: Kept rows whose distances are taken at a time.
_BLOCK = 256


@register(
    "badge",
    "BADGE: what would change the model most, in different ways; for large batches of labels",
    needs_predictions=True,
    nested=False,
)
def badge(pool: Pool, k: int) -> Picks:
    """Draws rows by k-means++ on the gradients that the predicted class would give (Ash et al., ICLR 2020).

    The first pick has the largest gradient; each further one is drawn in proportion to its squared distance to the
    nearest pick or kept row, times its weight. The authors' code leaves out the kept rows. With a head its features and
    bias are the input, else the unit-norm embeddings.

    Args:
        pool: the problem, with the probabilities of all classes
        k: rows to pick

    Returns:
        the picks

    References:
        Ash, Zhang, Krishnamurthy, Langford and Agarwal: Deep Batch Active Learning by Diverse, Uncertain Gradient Lower
        Bounds. ICLR 2020.
    """
    gradients = Gradients.predicted(pool)
    norms = gradients.squared_norms
    nearest = np.full(len(pool), np.inf)
    for start in range(0, len(pool.preselected), _BLOCK):
        kept = pool.preselected[start : start + _BLOCK]
        distances = norms[:, None] + norms[kept] - 2 * gradients.products(gradients.take(kept))
        np.minimum(nearest, distances.min(axis=1), out=nearest)
    rng, free, order = pool.rng(), pool.candidates.copy(), np.empty(k, dtype=np.int64)
    for step in range(k):
        if np.isinf(nearest[0]):
            row = int(np.argmax(np.where(free, norms * pool.weights, -1)))
        else:
            row = _draw(np.where(free, np.maximum(nearest, 0) * pool.weights, 0), free, rng)
        order[step], free[row] = row, False
        one = gradients.take(np.array([row]))
        np.minimum(nearest, norms + norms[row] - 2 * gradients.products(one)[:, 0], out=nearest)
        if step % 100 == 0:
            pool.report(step / k, f"{step} of {k} picked")
    return Picks(order)


def _draw(shares: np.ndarray, free: np.ndarray, rng: np.random.Generator) -> int:
    """A free row in proportion to its share; any if all are 0."""
    shares = shares if shares.any() else free.astype(float)
    total = np.cumsum(shares)
    return int(min(np.searchsorted(total, rng.random() * total[-1], side="right"), np.flatnonzero(shares)[-1]))
