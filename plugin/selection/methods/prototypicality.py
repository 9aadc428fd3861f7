"""Prototypicality: the distance of a row to the center of its cluster."""

from __future__ import annotations

import numpy as np

from ...errors import CoresetError
from ...vectors.kmeans import kmeans
from ..method import register
from ..pool import Picks, Pool, top, weighted_ranks


@register(
    "prototypicality",
    "Distance to the own cluster center: hard (far) or easy (near) images",
    scored=True,
    columns={"score": "how far the image lies from the center of its class or cluster; negated to keep near ones"},
)
def prototypicality(pool: Pool, k: int, keep: str = "hard", n_clusters: int = 100) -> Picks:
    """Ranks rows by cosine distance to their k-means center (Sorscher et al., NeurIPS 2022).

    Args:
        pool: the problem
        k: rows to pick
        keep ("hard"): "hard" keeps the far rows, for large budgets; "easy" the near ones, for small budgets
        n_clusters (100): k-means clusters, about as many as classes; class means are used where labels are given

    Returns:
        the picks, with the distance as scores, negated for "easy"

    References:
        Sorscher et al.: Beyond Neural Scaling Laws: Beating Power Law Scaling via Data Pruning. NeurIPS 2022.
    """
    if keep not in ("hard", "easy"):
        raise CoresetError(f'keep must be "hard" or "easy", got {keep!r}')
    score = center_distance(pool, n_clusters)
    return top(pool, k, weighted_ranks(score if keep == "hard" else -score, pool.weights))


def center_distance(pool: Pool, n_clusters: int) -> np.ndarray:
    """Cosine distance of every row to the center of its class, or of its k-means cluster.

    Args:
        pool: the problem
        n_clusters: k-means clusters, used without labels; at most one for every 2 rows

    Returns:
        (n,) float64 in [0, 2]
    """
    if pool.labels is None:
        clusters, centers = kmeans(pool.Z, max(1, min(n_clusters, len(pool) // 2)), seed=pool.seed)
    else:
        clusters = pool.labels
        members = np.maximum(np.bincount(clusters), 1)
        centers = np.zeros((len(members), pool.Z.shape[1]))
        np.add.at(centers, clusters, pool.Z)
        centers /= members[:, None]
    norms = np.linalg.norm(centers, axis=1, keepdims=True)
    directions = centers / np.where(norms == 0, 1, norms)
    return 1 - np.einsum("ij,ij->i", pool.Z, directions[clusters]).astype(np.float64)
