"""Regions of a pool, and the shares in which they take turns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....vectors.kmeans import kmeans
from ...pool import Pool

#: There are as many regions as the root of the number of images, but not more than this.
_MOST_REGIONS = 1000
#: A region counts for its images and for the part of the embedding space it covers: up to the geometric mean of the two
#: shares, and less so the more dimensions the pool effectively has beyond these, because in many dimensions all is
#: margin. Space counts as within this factor of the images' share.
_FEW_DIMENSIONS = 32
_MOST_ROOM = 3
#: Scattered images, junk among them, cover much space: a region's space is divided by this power of the distance of its
#: images to their nearest neighbours, where that is above the median of the pool. For being scattered alone it does not
#: fall below the images' share: rare kinds are scattered too.
_LOOSENESS_POWER = 4


@dataclass(frozen=True)
class Regions:
    """A pool divided.

    Attributes:
        of: (n,) int64 region of every row, numbered from 0, none of them empty
        mass: (r,) float64 share of every region in the weights of all images
        apart: (r,) bool, True in regions that count for their images and nothing else
    """

    of: np.ndarray
    mass: np.ndarray
    apart: np.ndarray

    def settle(self, shares: np.ndarray) -> np.ndarray:
        """Gives regions apart the share of their images, and scales the others so that all add up to 1."""
        others = ~self.apart
        return np.where(self.apart, self.mass, shares / shares[others].sum() * self.mass[others].sum())


def find_regions(pool: Pool, apart: np.ndarray | None = None) -> Regions:
    """Divides a pool into k-means clusters.

    Args:
        pool: the problem; its weights are those of the images
        apart (None): (n,) bool, True in some of the rows, which have regions of their own

    Returns:
        the regions
    """
    apart = np.zeros(len(pool), dtype=bool) if apart is None else apart
    parts: list[np.ndarray | slice] = [~apart, apart] if apart.any() else [slice(None)]  # a slice copies nothing
    of = np.empty(len(pool), dtype=np.int64)
    count = 0
    for rows in parts:
        n = len(of[rows])
        k = max(1, min(int(np.sqrt(n)), n // 10, _MOST_REGIONS))
        clusters = kmeans(pool.Z[rows], k, seed=pool.seed, weights=pool.weights[rows])[0]
        of[rows] = count + np.unique(clusters, return_inverse=True)[1]
        count = int(of[rows].max()) + 1
    mass = np.bincount(of, weights=pool.weights)
    return Regions(of, mass / mass.sum(), np.bincount(of, weights=apart) > 0)


def region_shares(pool: Pool, regions: Regions, nearest: np.ndarray, hits: np.ndarray) -> np.ndarray:
    """How much regions count for: between the images they hold and the part of the embedding space they cover.

    Space is counted by ZCore's draws: how often an image of the region is the nearest to a random target in a random
    plane (Griffin et al., arXiv 2411.15349, section 3).

    Args:
        pool: the problem; its weights are those of the images
        regions: its regions
        nearest: (n,) distance of every row to its nearest neighbour
        hits: (n,) how often every row was hit

    Returns:
        (r,) float64 positive shares that add up to 1
    """
    mass = regions.mass
    space = np.bincount(regions.of, weights=pool.weights * hits)
    if space.sum() == 0:
        return mass
    covered = space / space.sum() / mass
    typical = max(float(np.median(nearest)), 1e-6)
    looseness = np.array([np.median(nearest[regions.of == region]) for region in range(len(mass))]) / typical
    space = space / np.maximum(looseness, 1) ** _LOOSENESS_POWER
    room = np.maximum(space / space.sum() / mass, np.minimum(covered, 1))
    weight = min(1.0, _FEW_DIMENSIONS / effective_dimension(pool.Z)) / 2
    shares = mass * np.clip(room, 1 / _MOST_ROOM, _MOST_ROOM) ** weight
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
