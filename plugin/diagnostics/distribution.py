"""How far the distribution of a selection is from that of the collection: energy distance and MMD."""

from __future__ import annotations

import numpy as np

from ..vectors.neighbors import pairwise_distances, squared_unit_distances
from ..vectors.points import Points

_BLOCK = 1024


class DistributionShift:
    """Compares subsets with one collection; what does not depend on the subset is computed once.

    Both distances are V-statistics (means over all pairs, an image with itself included): never negative, 0 if the
    subset is the whole collection, and of order 1/k for a random subset of size k.

    Args:
        points: the embeddings
        max_rows (3000): images of the collection, and of each subset, that are compared; more are sampled
        seed (0): of the samples

    Attributes:
        bandwidth: h of the Gaussian kernel ``exp(-d^2 / (2 h^2))``, the median distance of two images
    """

    def __init__(self, points: Points, max_rows: int = 3000, seed: int = 0):
        self._points = points
        self._max_rows = max_rows
        self._seed = seed
        self._pool = points.block(points.sample(max_rows, seed))
        probe = self._pool[:1000]
        distance = pairwise_distances(probe, probe)[np.triu_indices(len(probe), 1)]
        median = float(np.median(distance)) if len(distance) else 0.0
        self.bandwidth = median if median > 0 else 1.0
        self._within_pool = self._means(self._pool, self._pool)

    def __call__(self, selected: np.ndarray) -> dict[str, float]:
        """Energy distance and squared MMD of a subset from the collection.

        Args:
            selected: (k,) kept rows

        Returns:
            "energy_distance" and "mmd"
        """
        if len(selected) > self._max_rows:
            selected = np.random.default_rng(self._seed).choice(selected, self._max_rows, replace=False)
        subset = self._points.block(np.sort(selected))
        distance, kernel = 2 * self._means(self._pool, subset) - self._within_pool - self._means(subset, subset)
        return {"energy_distance": max(0.0, float(distance)), "mmd": max(0.0, -float(kernel))}

    def _means(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Mean distance and mean kernel over all pairs."""
        total = np.zeros(2)
        for start in range(0, len(left), _BLOCK):
            squared = squared_unit_distances(left[start : start + _BLOCK], right)
            total += np.sqrt(squared).sum(dtype=np.float64), _kernel_sum(squared, self.bandwidth)
        return total / (len(left) * len(right))


def _kernel_sum(squared: np.ndarray, bandwidth: float) -> float:
    """Sum of the Gaussian kernel."""
    return float(np.exp(squared / (-2 * bandwidth**2)).sum(dtype=np.float64))
