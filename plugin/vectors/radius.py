"""Coverage: the radius within which an image counts as covered, and from which budget on it is.

The one place that answers it: budgets, curves, reports and the panel ask here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import CoresetError
from .matrix import blocks
from .near_duplicates import near_duplicate_radius
from .neighbors import squared_distances
from .points import Points, as_points
from .threads import product_threads

#: An image counts as covered within this multiple of the usual distance to the nearest other image.
_COVERAGE_FACTOR = 1.5

#: Images whose coverage is followed where there are more; the standard error of a covered share is at most 0.005.
COVERAGE_ROWS = 10_000

_BLOCK = 1024


def coverage_radius(
    embeddings: Any,
    *,
    duplicate_radius: float | None = None,
    n_sample: int = 1000,
    seed: int = 0,
    normalize: bool = True,
) -> float:
    """Radius within which an image counts as covered.

    It is 1.5 times the median distance from an image to the nearest other image that is not its near-duplicate. Near-
    duplicates are passed over because in a pool full of them the radius would otherwise shrink to their distance.

    Args:
        embeddings: (n, d) embeddings, or :class:`Points`
        duplicate_radius (None): near-duplicate radius; :func:`.near_duplicate_radius` by default
        n_sample (1000): images the median is taken over; the search runs over all images
        seed (0): of the sample
        normalize (True): whether distances are taken between unit-length vectors

    Returns:
        the radius; 0 if all images are near-duplicates of each other

    Examples:
        >>> import numpy as np
        >>> round(coverage_radius(np.eye(3)), 3)  # all pairs lie at the root of 2
        2.121
    """
    points = as_points(embeddings, normalize)
    if duplicate_radius is None:
        duplicate_radius = near_duplicate_radius(points, seed=seed)
    rows = points.sample(n_sample, seed)
    dtype = points.work_dtype(len(rows), len(points.rows))
    left = points.block(rows, dtype)
    copies = max(duplicate_radius**2, 1e-6)  # itself and its near-duplicates

    def nearest_of(part: slice) -> np.ndarray:
        squared = squared_distances(left, points.block(points.rows[part], dtype))
        squared[squared <= copies] = np.inf
        return squared.min(axis=1).astype(np.float64)

    with product_threads() as threads:
        nearest = np.minimum.reduce(list(threads.map(nearest_of, blocks(len(points.rows), _BLOCK))))
    nearest = np.sqrt(nearest[np.isfinite(nearest)])
    return _COVERAGE_FACTOR * float(np.median(nearest)) if len(nearest) else 0.0


def comparison_radii(
    points: Points, radius: float | None, duplicate_radius: float | None, seed: int
) -> tuple[float, float]:
    """The two radii as the caller gave them, or read from the data.

    Args:
        points: the embeddings
        radius: coverage radius, or None
        duplicate_radius: near-duplicate radius, or None
        seed: of the samples

    Returns:
        a tuple of the coverage radius and the near-duplicate radius

    Raises:
        CoresetError: if one is negative or not finite
    """
    for name, value in (("coverage_radius", radius), ("near_duplicate_radius", duplicate_radius)):
        if value is not None and not 0 <= value < np.inf:
            raise CoresetError(f"{name}={value}: a distance must be finite and at least 0")
    if duplicate_radius is None:
        duplicate_radius = near_duplicate_radius(points, seed=seed)
    if radius is None:
        radius = coverage_radius(points, duplicate_radius=duplicate_radius, seed=seed)
    return float(radius), float(duplicate_radius)


def covered_from(points: Points, ranking: Sequence[int] | np.ndarray, rows: np.ndarray, radius: float) -> np.ndarray:
    """Finds the smallest budget at which each image is kept, or lies within the coverage radius of a kept image.

    Args:
        points: the embeddings
        ranking: (r,) rows, first to keep first
        rows: (m,) the images asked about
        radius: coverage radius

    Returns:
        (m,) int64 budgets from 1; r + 1 where the whole ranking does not cover the image
    """
    order = np.asarray(ranking, dtype=np.int64)
    position = np.full(points.n, len(order))
    position[order] = np.arange(len(order))
    first = position[rows]
    dtype = points.work_dtype(len(rows), len(order))
    # Products leave this much in the squared distance of two equal unit vectors.
    limit = radius**2 + (1e-12 if dtype is np.float64 else 1e-6)
    waiting = np.arange(len(rows))
    seeking = points.block(rows, dtype)
    for start in range(0, len(order), _BLOCK):
        still = first[waiting] >= start
        waiting, seeking = waiting[still], seeking[still]
        if not len(waiting):
            break
        near = squared_distances(seeking, points.block(order[start : start + _BLOCK], dtype)) <= limit
        hit = near.any(axis=1)
        first[waiting[hit]] = np.minimum(first[waiting[hit]], start + near[hit].argmax(axis=1))
        waiting, seeking = waiting[~hit], seeking[~hit]
    return first + 1
