"""The two distances that diagnostics compare with, read from the data: coverage radius and near-duplicate distance."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import CoresetError
from .points import Points, as_points, tile_shape

#: Near-duplicates lie closer than this share of the usual distance between two images. For CLIP and ImageNet
#: backbones, whose unrelated images have a cosine of about 0.5, it comes to a cosine of about 0.95.
_NEAR_DUPLICATE_SHARE = 0.3

#: An image counts as covered within this multiple of the usual distance to the nearest other image.
_COVERAGE_FACTOR = 1.5


def near_duplicate_distance(embeddings: Any, *, n_sample: int = 2000, seed: int = 0, normalize: bool = True) -> float:
    """Distance below which two images count as near-duplicates: 0.3 of the median distance of two random images.

    Args:
        embeddings: (n, d) embeddings, or :class:`Points`
        n_sample (2000): images the median is taken over
        seed (0): of the sample
        normalize (True): whether distances are taken between unit-length vectors

    Returns:
        the distance; 0 if the median is 0, so that only identical images count
    """
    points = as_points(embeddings, normalize)
    rows = points.sample(n_sample, seed)
    if len(rows) < 2:
        return 0.0
    partner = np.roll(np.random.default_rng(seed).permutation(rows), 1)
    others = rows != partner
    return _NEAR_DUPLICATE_SHARE * float(np.median(points.distance(rows[others], partner[others])))


def coverage_radius(
    embeddings: Any,
    *,
    near_duplicate: float | None = None,
    n_sample: int = 1000,
    seed: int = 0,
    normalize: bool = True,
) -> float:
    """Radius within which an image counts as covered.

    It is 1.5 times the median distance from an image to the nearest other image that is not its near-duplicate. Near-
    duplicates are passed over because in a pool full of them the radius would otherwise shrink to their distance.

    Args:
        embeddings: (n, d) embeddings, or :class:`Points`
        near_duplicate (None): near-duplicate distance; :func:`near_duplicate_distance` by default
        n_sample (1000): images the median is taken over; the search runs over all images
        seed (0): of the sample
        normalize (True): whether distances are taken between unit-length vectors

    Returns:
        the radius; 0 if all images are near-duplicates of each other
    """
    points = as_points(embeddings, normalize)
    tau = near_duplicate_distance(points, seed=seed) if near_duplicate is None else near_duplicate
    rows = points.sample(n_sample, seed)
    dtype = points.work_dtype(len(rows), len(points.rows))
    left = points.block(rows, dtype)
    left_sq = np.einsum("ij,ij->i", left, left)[:, None]
    nearest = np.full(len(rows), np.inf)
    _, step = tile_shape(len(rows), len(points.rows))
    for start in range(0, len(points.rows), step):
        columns = points.rows[start : start + step]
        right = points.block(columns, dtype)
        squared = left @ right.T
        squared *= -2
        squared += left_sq + np.einsum("ij,ij->i", right, right)
        squared[squared <= max(tau**2, 1e-6)] = np.inf  # itself and its near-duplicates
        np.minimum(nearest, squared.min(axis=1), out=nearest)
    nearest = np.sqrt(nearest[np.isfinite(nearest)])
    return _COVERAGE_FACTOR * float(np.median(nearest)) if len(nearest) else 0.0


def comparison_distances(
    points: Points, radius: float | None, near_duplicate: float | None, seed: int
) -> tuple[float, float]:
    """The two distances as the caller gave them, or read from the data.

    Returns:
        a tuple of the coverage radius and the near-duplicate distance

    Raises:
        CoresetError: if one is negative or not finite
    """
    for name, value in (("radius", radius), ("near_duplicate", near_duplicate)):
        if value is not None and not 0 <= value < np.inf:
            raise CoresetError(f"{name}={value}: a distance must be finite and at least 0")
    tau = near_duplicate_distance(points, seed=seed) if near_duplicate is None else float(near_duplicate)
    delta = coverage_radius(points, near_duplicate=tau, seed=seed) if radius is None else float(radius)
    return delta, tau
