"""SemDeDup: the least duplicated images."""

from __future__ import annotations

import numpy as np

from ...errors import CoresetError
from ...vectors.kmeans import kmeans
from ..method import register
from ..pool import Picks, Pool, top, weighted_ranks

_ORDERS = {"hard": -1, "easy": 1}
_BLOCK = 2048


@register(
    "semdedup",
    "SemDeDup: drops images similar to another of their cluster",
    scored=True,
    columns={"score": "how different the image is from those that come before it in its cluster"},
)
def semdedup(pool: Pool, k: int, keep: str = "hard", rows_per_cluster: int = 1000) -> Picks:
    """Scores a row by its distance to the most similar row before it in its cluster (Abbas et al., 2023).

    Rows of a k-means cluster are sorted by distance to the center. The authors remove a row whose cosine to an
    earlier one exceeds a threshold; keeping the k rows with the smallest such cosine is the threshold that meets the
    budget.

    Args:
        pool: the problem
        k: rows to pick
        keep ("hard"): which of similar rows stays: "hard", the farthest from the center, or "easy"
        rows_per_cluster (1000): mean size of the clusters; duplicates in different clusters are not seen

    Returns:
        the picks, with ``1 - cosine`` as scores

    References:
        Abbas et al.: SemDeDup: Data-efficient Learning at Web-scale through Semantic Deduplication. 2023.
    """
    if keep not in _ORDERS:
        raise CoresetError(f'keep must be "hard" or "easy", got {keep!r}')
    clusters, centers = kmeans(pool.Z, max(1, round(len(pool) / rows_per_cluster)), seed=pool.seed)
    distance = np.linalg.norm(pool.Z - centers[clusters], axis=1)
    similarity = np.full(len(pool), -1.0)
    for cluster in range(len(centers)):
        rows = np.flatnonzero(clusters == cluster)
        rows = rows[np.argsort(_ORDERS[keep] * distance[rows], kind="stable")]
        similarity[rows] = _most_similar_before(pool.Z[rows])
    return top(pool, k, weighted_ranks(1 - similarity, pool.weights), clusters=len(centers))


def _most_similar_before(Z: np.ndarray) -> np.ndarray:
    """(m,) largest cosine of every row to one above it; -1 for the first."""
    best = np.full(len(Z), -1.0)
    for start in range(0, len(Z), _BLOCK):
        cosine = Z[start : start + _BLOCK] @ Z[: start + _BLOCK].T
        rows = np.arange(start, start + len(cosine))
        cosine[np.arange(cosine.shape[1])[None] >= rows[:, None]] = -1
        best[rows] = cosine.max(axis=1)
    return best
