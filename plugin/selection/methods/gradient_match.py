"""TAGCOS: few rows whose gradients add up to those of all."""

from __future__ import annotations

import numpy as np

from ...vectors.kmeans import kmeans
from ..apportion import apportion, take_turns
from ..gradients import Gradients
from ..method import register
from ..pool import Picks, Pool

#: Dimensions of the sketch in which gradients are clustered: inner products there are off by about 1 in 16.
_SKETCH = 256


@register(
    "gradient_match",
    "TAGCOS: labelled images whose gradients add up to those of all, cluster by cluster",
    needs_labels=True,
    needs_predictions=True,
    nested=False,
)
def gradient_match(pool: Pool, k: int, n_clusters: int = 100) -> Picks:
    """Matches the mean gradient of every cluster (Zhang et al., 2024), by orthogonal matching pursuit.

    Gradients of the labels are clustered by k-means on random sketches of them; each cluster's share of the budget is
    that of its rows. Inside a cluster the row that agrees best with what is left of the mean gradient comes next, and
    the weights of all its picks are fit again. Row weights act on the means.

    Args:
        pool: the problem, with labels and the probabilities of all classes
        k: rows to pick
        n_clusters (100): clusters; at most one for every 2 rows to keep

    Returns:
        the picks; the details give the share of the squared mean gradients that is not matched

    References:
        Zhang et al.: TAGCOS: Task-agnostic Gradient Clustered Coreset Selection for Instruction Tuning Data. 2024.
    """
    gradients = Gradients.labelled(pool)
    wanted = k + len(pool.preselected)
    clusters = kmeans(_sketch(gradients, pool.rng()), max(1, min(n_clusters, wanted // 2)), seed=pool.seed)[0]
    sizes = np.bincount(clusters)
    taken = np.bincount(clusters[pool.preselected], minlength=len(sizes))
    shares = np.maximum(np.bincount(clusters, weights=pool.weights), 1e-9)
    counts = apportion(shares, wanted, taken, sizes)
    picked, left, total = [], 0.0, 0.0
    for cluster in np.flatnonzero(counts > taken):
        rows = np.flatnonzero(clusters == cluster)
        kept = np.flatnonzero(~pool.candidates[rows])
        chosen, unmatched, squared = _match(gradients.take(rows), pool.weights[rows], kept, counts[cluster])
        picked.append(rows[chosen])
        left, total = left + unmatched, total + squared
    order = take_turns(np.concatenate(picked), clusters, np.maximum(counts, 1), taken)
    return Picks(order, details={"clusters": int((sizes > 0).sum()), "unmatched": left / total if total else 0.0})


def _sketch(gradients: Gradients, rng: np.random.Generator) -> np.ndarray:
    """(n, m) float32 whose inner products are those of the gradients on average (Rademacher signs on either side)."""
    left, right = (
        rng.choice(np.array([-1, 1], dtype=np.float32), (part.shape[1], _SKETCH)) for part in (gradients.q, gradients.x)
    )
    return (gradients.q @ left) * (gradients.x @ right) / np.float32(np.sqrt(_SKETCH))


def _match(gradients: Gradients, weights: np.ndarray, kept: np.ndarray, count: int) -> tuple[np.ndarray, float, float]:
    """New rows until there are ``count``, the squared mean gradient that they leave unmatched, and all of it."""
    mean = gradients.mean(weights)
    target = gradients.products_with(mean).astype(np.float64)
    squared = float((mean**2).sum())
    chosen = kept.tolist()
    columns = [gradients.products(gradients.take(np.array([row])))[:, 0].astype(np.float64) for row in chosen]
    free = np.ones(len(gradients), dtype=bool)
    free[kept] = False
    while True:
        if chosen:
            K = np.column_stack(columns)
            fit = np.linalg.lstsq(K[chosen], target[chosen], rcond=None)[0]
            residual = target - K @ fit
        else:
            fit, residual = np.empty(0), target
        if len(chosen) == count:
            matched = float(fit @ (2 * target[chosen] - K[chosen] @ fit)) if chosen else 0.0
            return np.array(chosen[len(kept) :], dtype=np.int64), max(squared - matched, 0.0), squared
        row = int(np.argmax(np.where(free, residual, -np.inf)))
        chosen.append(row)
        free[row] = False
        columns.append(gradients.products(gradients.take(np.array([row])))[:, 0].astype(np.float64))
