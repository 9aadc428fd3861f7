"""ProbCover: as many images as possible inside balls around the kept ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...vectors.kmeans import kmeans
from ...vectors.neighbors import pairwise_distances
from ..cover import greedy_cover, similarity_matrix
from ..method import register
from ..pool import Picks, Pool
from .kcenter import farthest_first

#: Rows whose distance to the next cluster is measured for the radius.
_RADIUS_ROWS = 5000


@register("probcover", "ProbCover: covers most images with balls of one radius; for budgets below about 1 %")
def probcover(pool: Pool, k: int, radius: float | None = None, n_clusters: int = 10, purity: float = 0.95) -> Picks:
    """Picks the row with most uncovered rows within a radius (Yehuda et al., NeurIPS 2022), then farthest first.

    Once everything is covered the remaining picks are those of k-center. Above 8,192 rows a ball holds at most a
    row's 64 nearest neighbours. Weights are those of the covered rows.

    Args:
        pool: the problem
        k: rows to pick
        radius (None): ball radius on the unit sphere; by default the largest at which ``purity`` of the balls lie
            inside one cluster
        n_clusters (10): clusters, about as many as classes, for that rule; the classes themselves if labels are given
        purity (0.95): share of balls that must be pure

    Returns:
        the picks; the details give the radius and how many picks covered something new

    References:
        Yehuda, Dekel, Hacohen and Weinshall: Active Learning Through a Covering Lens. NeurIPS 2022.
    """
    if radius is None:
        radius = purity_radius(pool, n_clusters, purity)
    matrix = similarity_matrix(pool, lambda distances: (distances < radius).astype(np.float32))
    order, gains = greedy_cover(matrix, k, pool)
    covering = int((gains > 0).sum())
    if covering < k:
        start = replace(pool, preselected=np.concatenate([pool.preselected, order[:covering]]))
        order = np.concatenate([order[:covering], farthest_first(start, k - covering)[0]])
    return Picks(order, details={"radius": float(radius), "covering_picks": covering})


def purity_radius(pool: Pool, n_clusters: int, purity: float) -> float:
    """The largest radius at which a share of the balls around rows lie inside one cluster.

    A ball is pure up to the distance to the nearest row of another cluster, so the radius is a quantile of those.

    Args:
        pool: the problem
        n_clusters: k-means clusters, used without labels
        purity: share of balls that must be pure, in (0, 1]

    Returns:
        a positive distance
    """
    clusters = pool.labels if pool.labels is not None else kmeans(pool.Z, n_clusters, seed=pool.seed)[0]
    escape = []
    for start in range(0, min(len(pool), _RADIUS_ROWS), 500):
        rows = slice(start, min(start + 500, _RADIUS_ROWS))
        distances = pairwise_distances(pool.Z[rows], pool.Z)
        distances[clusters[rows, None] == clusters[None]] = np.inf
        escape.append(distances.min(axis=1))
    radius = float(np.quantile(np.concatenate(escape), 1 - purity, method="lower"))
    return float(np.clip(radius, 1e-6, 2.0))
