"""Representatives of as many k-means clusters as there are images to keep."""

from __future__ import annotations

import numpy as np

from ...vectors.kmeans import kmeans
from ..apportion import apportion
from ..method import register
from ..pool import Picks, Pool

#: Rows times clusters up to which one k-means is run; larger problems are split into cells first.
_ONE_KMEANS = 20_000_000
_CELL_ROWS = 4096


@register("kmedoids", "k-means with one cluster per image to keep, nearest image to each center", nested=False)
def kmedoids(pool: Pool, k: int, n_steps: int = 10) -> Picks:
    """Picks the free row nearest to each center of k-means with ``k`` clusters, large clusters first.

    Clusters that hold a row of the seed set count as served. Large problems are divided into cells by a coarse k-means
    and the budget among the cells by size. Weights are k-means sample weights. Not nested: a larger budget is a
    new clustering.

    Args:
        pool: the problem
        k: rows to pick
        n_steps (10): k-means passes

    Returns:
        the picks

    References:
        Mahmood, Fidler and Law: Low Budget Active Learning via Wasserstein Distance. ICLR 2022.
    """
    total = k + len(pool.preselected)
    cells = np.zeros(len(pool), dtype=np.int64)
    if len(pool) * total > _ONE_KMEANS:
        cells = kmeans(pool.Z, -(-len(pool) // _CELL_ROWS), seed=pool.seed)[0]
    sizes = np.bincount(cells)
    taken = np.bincount(cells[pool.preselected], minlength=len(sizes))
    counts = apportion(np.maximum(sizes, 1e-9), total, taken, sizes) - taken
    picks, weight = [], []
    for cell in np.flatnonzero(counts):
        rows = np.flatnonzero(cells == cell)
        part = pool.subset(rows, pool.preselected[cells[pool.preselected] == cell])
        order, mass = _medoids(part, int(counts[cell]), n_steps)
        picks.append(rows[order])
        weight.append(mass)
        pool.report((cell + 1) / len(sizes), f"{cell + 1} of {len(sizes)} cells")
    order = np.concatenate(picks)[np.argsort(-np.concatenate(weight), kind="stable")]
    return Picks(order, details={"cells": len(sizes)})


def _medoids(pool: Pool, k: int, n_steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Free rows nearest to centers, and the mass of their clusters."""
    clusters, centers = kmeans(pool.Z, k + len(pool.preselected), seed=pool.seed, weights=pool.weights, n_steps=n_steps)
    distance = np.linalg.norm(pool.Z - centers[clusters], axis=1)
    mass = np.bincount(clusters, weights=pool.weights)
    order = np.lexsort((distance, clusters))
    order = order[pool.candidates[order] & ~np.isin(clusters[order], clusters[pool.preselected])]
    first = order[np.r_[True, clusters[order][1:] != clusters[order][:-1]]] if len(order) else order
    first = first[np.argsort(-mass[clusters[first]], kind="stable")][:k]
    # Clusters can be empty where rows coincide; the rows farthest from their center take the places left.
    chosen = np.zeros(len(pool), dtype=bool)
    chosen[first] = True
    rest = np.flatnonzero(pool.candidates & ~chosen)
    rest = rest[np.argsort(-distance[rest], kind="stable")][: k - len(first)]
    return np.concatenate([first, rest]), np.concatenate([mass[clusters[first]], np.zeros(len(rest))])
