"""OCS: rows that agree with the pool, differ from each other and protect an old task."""

from __future__ import annotations

import numpy as np

from ..gradients import Gradients
from ..method import register
from ..pool import Picks, Pool


@register(
    "affinity",
    "Online coreset: labelled images typical in gradient, different from each other, in accord with old tasks",
    needs_labels=True,
    needs_predictions=True,
    per_row=("protected",),
)
def affinity(pool: Pool, k: int, protected: np.ndarray | None = None, tradeoff: float = 1.0) -> Picks:
    """Picks by gradients of the labels: similarity, diversity and affinity (Yoon et al., ICLR 2022).

    A row's worth is the cosine of its gradient with the mean gradient, less its mean cosine with what is picked, plus
    ``tradeoff`` times its cosine with the mean gradient of the protected rows; the best comes next. Weights multiply
    the worth, counted from its least possible value, and act on the mean.

    Args:
        pool: the problem, with labels and the probabilities of all classes
        k: rows to pick
        protected (None): (n,) numbers, above 0 in rows of old tasks that training must not forget
        tradeoff (1.0): t

    Returns:
        the picks

    References:
        Yoon, Madaan, Yang and Hwang: Online Coreset Selection for Rehearsal-based Continual Learning. ICLR 2022.
    """
    gradients = Gradients.labelled(pool)
    norms = np.sqrt(np.maximum(gradients.squared_norms, np.finfo(np.float32).tiny))
    worth = _cosines(gradients, norms, pool.weights)
    if protected is not None and (protected > 0).any():
        worth += tradeoff * _cosines(gradients, norms, (protected > 0).astype(float))
    together = np.zeros(len(pool))
    free, order, n_kept = pool.candidates.copy(), np.empty(k, dtype=np.int64), 0

    def keep(row: int) -> None:
        nonlocal n_kept
        together[:] += gradients.products(gradients.take(np.array([row])))[:, 0] / (norms * norms[row])
        free[row] = False
        n_kept += 1

    for row in pool.preselected:
        keep(row)
    for step in range(k):
        value = (worth - together / max(n_kept, 1) + 2 + abs(tradeoff)) * pool.weights
        order[step] = int(np.argmax(np.where(free, value, -np.inf)))
        keep(order[step])
    return Picks(order)


def _cosines(gradients: Gradients, norms: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(n,) float64 cosine of every gradient with a weighted mean of them."""
    mean = gradients.mean(weights)
    length = float(np.linalg.norm(mean))
    return gradients.products_with(mean) / (norms * length) if length else np.zeros(len(norms))
