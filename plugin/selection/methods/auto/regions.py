"""Regions of a pool, and the shares in which they take turns."""

from __future__ import annotations

import numpy as np

from ....vectors.kmeans import kmeans
from ...pool import Pool
from .settings import DEFAULTS, AutoSettings


def find_regions(pool: Pool, settings: AutoSettings = DEFAULTS) -> np.ndarray:
    """Divides a pool into k-means clusters, as many as the root of its size.

    Args:
        pool: the problem; its weights are those of the images
        settings: the constants

    Returns:
        (n,) int64 region of every row, numbered from 0, none of them empty
    """
    n = len(pool)
    k = max(1, min(int(np.sqrt(n)), n // 10, settings.max_clusters))
    clusters = kmeans(pool.Z, k, seed=pool.seed, weights=pool.weights)[0]
    return np.unique(clusters, return_inverse=True)[1].reshape(-1).astype(np.int64)


def region_masses(pool: Pool, regions: np.ndarray) -> np.ndarray:
    """(r,) float64 share of every region in the weights of all images."""
    mass = np.bincount(regions, weights=pool.weights)
    return mass / mass.sum()


def region_shares(
    pool: Pool, regions: np.ndarray, nearest: np.ndarray, hits: np.ndarray, settings: AutoSettings = DEFAULTS
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
        regions: (n,) region of every row
        nearest: (n,) distance of every row to its nearest neighbour
        hits: (n,) how often every row was hit
        settings: the constants

    Returns:
        (r,) float64 positive shares that add up to 1
    """
    mass = region_masses(pool, regions)
    space: np.ndarray = np.bincount(regions, weights=pool.weights * hits)
    if space.sum() == 0:
        return mass
    covered = space / space.sum() / mass
    typical = max(float(np.median(nearest)), 1e-6)
    order = np.lexsort((nearest, regions))
    sizes = np.bincount(regions)
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
