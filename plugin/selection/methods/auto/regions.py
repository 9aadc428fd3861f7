"""Regions of a pool, and the shares in which they take turns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....vectors.kmeans import kmeans
from ...pool import Pool
from .settings import DEFAULTS, AutoSettings


@dataclass(frozen=True)
class Regions:
    """A pool divided.

    Attributes:
        labels: (n,) int64 region of every row, numbered from 0, none of them empty
        weight: (r,) float64 share of every region in the weights of all images
        is_singleton: (r,) bool, True in regions of off-topic singletons, which count for their images and nothing else
    """

    labels: np.ndarray
    weight: np.ndarray
    is_singleton: np.ndarray

    def rescale(self, shares: np.ndarray) -> np.ndarray:
        """Gives regions of singletons the share of their images, and scales the others so that all add up to 1."""
        others = ~self.is_singleton
        if not others.any():
            return self.weight
        return np.where(self.is_singleton, self.weight, shares / shares[others].sum() * self.weight[others].sum())


def find_regions(pool: Pool, singleton: np.ndarray | None = None, settings: AutoSettings = DEFAULTS) -> Regions:
    """Divides a pool into k-means clusters.

    Args:
        pool: the problem; its weights are those of the images
        singleton (None): (n,) bool, True in rows that get regions of their own
        settings: the constants

    Returns:
        the regions
    """
    singleton = np.zeros(len(pool), dtype=bool) if singleton is None else singleton
    parts: list[np.ndarray | slice] = (
        [~singleton, singleton] if singleton.any() else [slice(None)]
    )  # a slice copies nothing
    labels = np.empty(len(pool), dtype=np.int64)
    count = 0
    for rows in parts:
        n = len(labels[rows])
        if not n:
            continue
        k = max(1, min(int(np.sqrt(n)), n // 10, settings.max_clusters))
        clusters = kmeans(pool.Z[rows], k, seed=pool.seed, weights=pool.weights[rows])[0]
        labels[rows] = count + np.unique(clusters, return_inverse=True)[1]
        count = int(labels[rows].max()) + 1
    weight = np.bincount(labels, weights=pool.weights)
    return Regions(labels, weight / weight.sum(), np.bincount(labels, weights=singleton) > 0)


def region_shares(
    pool: Pool, regions: Regions, nearest: np.ndarray, hits: np.ndarray, settings: AutoSettings = DEFAULTS
) -> np.ndarray:
    """How much regions count for: between the images they hold and the part of the embedding space they cover.

    Space is counted by ZCore's draws: how often an image of the region is the nearest to a random target in a random
    plane (Griffin et al., arXiv 2411.15349, section 3). It counts up to the geometric mean of the two shares, and less
    the more dimensions the pool effectively has, because high-dimensional volume concentrates near the boundary.
    Scattered images, junk among them, cover much space, so a region's space is divided by a power of the distance of
    its images to their nearest neighbours, where that is above the median of the pool. For being scattered alone it
    does not fall below the images' share: rare kinds are scattered too.

    Args:
        pool: the problem; its weights are those of the images
        regions: its regions
        nearest: (n,) distance of every row to its nearest neighbour
        hits: (n,) how often every row was hit
        settings: the constants

    Returns:
        (r,) float64 positive shares that add up to 1
    """
    mass = regions.weight
    space: np.ndarray = np.bincount(regions.labels, weights=pool.weights * hits)
    if space.sum() == 0:
        return mass
    covered = space / space.sum() / mass
    typical = max(float(np.median(nearest)), 1e-6)
    order = np.lexsort((nearest, regions.labels))
    sizes = np.bincount(regions.labels)
    starts, sorted_ = np.cumsum(sizes) - sizes, nearest[order]
    looseness = (sorted_[starts + (sizes - 1) // 2] + sorted_[starts + sizes // 2]) / 2 / typical  # medians
    space = space / np.maximum(looseness, 1) ** settings.looseness_power
    room = np.maximum(space / space.sum() / mass, np.minimum(covered, 1))
    weight = min(1.0, settings.few_dimensions / effective_dimension(pool.Z)) / 2
    shares = mass * np.clip(room, 1 / settings.max_room, settings.max_room) ** weight
    return shares / shares.sum()


def effective_dimension(Z: np.ndarray) -> float:
    """How many dimensions a cloud of points fills: the participation ratio of its variances.

    Args:
        Z: (n, d) float32

    Returns:
        ``(sum of variances)^2 / sum of their squares`` along the principal axes: 1 for points on a line, d for a ball
    """
    mean = Z.mean(axis=0)
    covariance = Z.T @ Z / len(Z) - np.outer(mean, mean)
    return max(1.0, float(np.trace(covariance) ** 2 / max(np.sum(covariance**2), 1e-12)))
