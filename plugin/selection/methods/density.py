"""DBP: density-based pruning, more budget for complex concepts."""

from __future__ import annotations

import numpy as np

from ...vectors.kmeans import kmeans
from ..apportion import take_turns
from ..method import register
from ..pool import Picks, Pool

_FLOOR = 0.5
_NEAR_CENTERS = 20


@register(
    "density",
    "DBP: more budget for spread-out, isolated clusters, hardest images of each",
    nested=False,
    columns={"score": "how far it lies from the center of its cluster"},
)
def density(pool: Pool, k: int, n_clusters: int = 100, temperature: float = 0.5) -> Picks:
    """Gives clusters a budget by complexity and keeps their rows farthest from the center (Abbas et al., ICLR 2024).

    Complexity is the mean cosine distance to the own center times that of the center to its 20 nearest centers; shares
    are its softmax; every cluster keeps at least half of an equal share. Made for deduplicated pools: pass
    ``deduplicate=True``. Weights multiply the distance to the center. Not nested: the cluster budgets follow k.

    Args:
        pool: the problem
        k: rows to pick
        n_clusters (100): k-means clusters; at most one for every 10 rows
        temperature (0.5): of the softmax; small values concentrate the budget

    Returns:
        the picks, with the distance to the center as scores

    References:
        Abbas et al.: Effective Pruning of Web-Scale Datasets Based on Complexity of Concept Clusters. ICLR 2024.
    """
    clusters, centers = kmeans(pool.Z, max(1, min(n_clusters, len(pool) // 10)), seed=pool.seed)
    norms = np.linalg.norm(centers, axis=1, keepdims=True)
    directions = centers / np.where(norms == 0, 1, norms)
    distance = (1 - np.einsum("ij,ij->i", pool.Z, directions[clusters])).astype(np.float64)
    sizes = np.bincount(clusters, minlength=len(centers))
    taken = np.bincount(clusters[pool.preselected], minlength=len(centers))
    spread = np.bincount(clusters, weights=distance, minlength=len(centers)) / np.maximum(sizes, 1)
    logits = spread * _center_distance(directions) / temperature
    share = np.exp(logits - logits.max())
    total = k + len(pool.preselected)
    counts = cluster_budgets(total * share / share.sum(), sizes, taken, total)
    order = np.argsort(-distance * pool.weights, kind="stable")
    order = order[pool.candidates[order]]
    order = take_turns(order, clusters, np.maximum(counts, 1e-9), taken)[:k]
    return Picks(order, distance, {"clusters": len(centers)})


def _center_distance(directions: np.ndarray) -> np.ndarray:
    """(q,) mean cosine distance of every center to its nearest others."""
    distance = np.sort(1 - directions @ directions.T, axis=1)[:, 1 : _NEAR_CENTERS + 1]
    return distance.mean(axis=1) if distance.shape[1] else np.ones(len(directions))


def cluster_budgets(wanted: np.ndarray, sizes: np.ndarray, taken: np.ndarray, total: int) -> np.ndarray:
    """The budgets closest to the wanted ones that have the right sum and respect the bounds.

    Minimises ``|x - wanted|^2`` subject to ``sum x = total`` and ``floor <= x <= size``. The solution is
    ``clip(wanted + nu, floor, size)`` with one number nu, found by bisection.

    Args:
        wanted: (q,) float
        sizes: (q,) int upper bounds
        taken: (q,) int lower bounds, the rows of each cluster that are kept already
        total: what the budgets add up to, at most ``sizes.sum()``

    Returns:
        (q,) float64
    """
    floor = np.minimum(int(_FLOOR * total / len(wanted)), np.maximum(sizes - 1, 0))
    floor = np.maximum(floor, taken)
    high = float(total + sizes.max() + np.abs(wanted).max())
    low = -high
    for _ in range(200):
        middle = (low + high) / 2
        if np.clip(wanted + middle, floor, sizes).sum() < total:
            low = middle
        else:
            high = middle
    return np.clip(wanted + high, floor, sizes)
