"""How far the distribution of a selection is from that of the collection: energy distance and MMD."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..vectors.points import Points, as_points, as_selected

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
        distance = np.sqrt(_squared(probe, probe))[np.triu_indices(len(probe), 1)]
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
            squared = _squared(left[start : start + _BLOCK], right)
            total += np.sqrt(squared).sum(dtype=np.float64), _kernel_sum(squared, self.bandwidth)
        return total / (len(left) * len(right))


def energy_distance(
    embeddings: Any,
    selected: Sequence[int] | np.ndarray,
    *,
    max_rows: int = 3000,
    normalize: bool = True,
    seed: int = 0,
) -> float:
    """Energy distance between a selection and the collection (Szekely and Rizzo, 2013), see DistributionShift.

    Args:
        embeddings: (n, d) embeddings, or :class:`Points`
        selected: kept rows, or an (n,) boolean mask
        max_rows (3000): images compared on each side; more are sampled
        normalize (True): whether distances are taken between unit-length vectors
        seed (0): of the samples

    Returns:
        ``2 E|x - s| - E|x - x'| - E|s - s'|``, at least 0
    """
    points = as_points(embeddings, normalize)
    return DistributionShift(points, max_rows, seed)(as_selected(selected, points))["energy_distance"]


def mmd(
    embeddings: Any,
    selected: Sequence[int] | np.ndarray,
    *,
    max_rows: int = 3000,
    normalize: bool = True,
    seed: int = 0,
) -> float:
    """Squared maximum mean discrepancy between a selection and the collection (Gretton et al., 2012).

    Args:
        embeddings: (n, d) embeddings, or :class:`Points`
        selected: kept rows, or an (n,) boolean mask
        max_rows (3000): images compared on each side; more are sampled
        normalize (True): whether distances are taken between unit-length vectors
        seed (0): of the samples

    Returns:
        ``E k(x, x') - 2 E k(x, s) + E k(s, s')`` with a Gaussian kernel of median bandwidth, at least 0
    """
    points = as_points(embeddings, normalize)
    return DistributionShift(points, max_rows, seed)(as_selected(selected, points))["mmd"]


def _squared(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Squared distances; what rounding leaves between equal unit vectors is set to 0."""
    squared = left @ right.T
    squared *= -2
    squared += np.einsum("ij,ij->i", left, left)[:, None]
    squared += np.einsum("ij,ij->i", right, right)
    squared[squared < 1e-6] = 0
    return squared


def _kernel_sum(squared: np.ndarray, bandwidth: float) -> float:
    """Sum of the Gaussian kernel."""
    return float(np.exp(squared / (-2 * bandwidth**2)).sum(dtype=np.float64))
