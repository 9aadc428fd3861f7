"""LCMD: the farthest row of the largest cluster."""

from __future__ import annotations

import numpy as np

from ...vectors.neighbors import squared_unit_distances
from ..method import register
from ..pool import Picks, Pool, check_limit

#: Rows times picks that may be compared, one pick after the other: an estimated hour at 512 dimensions.
_MAX_COMPARISONS = 1e10
_BLOCK = 16_384


@register("lcmd", "LCMD: the farthest image of the largest cluster next; also where labels are numbers")
def lcmd(pool: Pool, k: int) -> Picks:
    """Picks the farthest row of the cluster with the largest sum of squared distances (Holzmueller et al., JMLR 2023).

    What is kept or picked is a center, and every row belongs to the nearest one. Distances are between unit-norm
    embeddings, which are the gradients of a linear regression on them, so no labels are needed and it serves numbers as
    well as classes. Starts at the row nearest to the mean. Weights multiply the squared distances.

    Args:
        pool: the problem
        k: rows to pick

    Returns:
        the picks; the details give the covering radius

    References:
        Holzmueller, Zaverkin, Kaestner and Steinwart: A Framework and Benchmark for Deep Batch Active Learning for
        Regression. JMLR 2023.
    """
    kept = len(pool.preselected) + k
    check_limit(
        len(pool) * kept, _MAX_COMPARISONS,
        f"lcmd would compare {len(pool)} images with {kept} picks one by one, more than {_MAX_COMPARISONS:.0e} pairs; "
        f"lower the budget to {int(_MAX_COMPARISONS / len(pool))} or use kcenter",
    )  # fmt: skip
    nearest = np.full(len(pool), np.inf, dtype=np.float32)
    center = np.zeros(len(pool), dtype=np.int64)
    for row in pool.preselected:
        _add(pool, nearest, center, row)
    free, order = pool.candidates.copy(), np.empty(k, dtype=np.int64)
    for step in range(k):
        if np.isinf(nearest[0]):
            mean = np.average(pool.Z, axis=0, weights=pool.weights).astype(np.float32)
            row = int(np.argmin(np.linalg.norm(pool.Z - mean, axis=1)))
        else:
            weighted = nearest * pool.weights
            sizes = np.bincount(center, weights=weighted, minlength=len(pool))
            has_free = np.bincount(center[free], minlength=len(pool)) > 0
            largest = int(np.argmax(np.where(has_free, sizes, -1)))
            row = int(np.argmax(np.where(free & (center == largest), weighted, -1)))
        order[step], free[row] = row, False
        _add(pool, nearest, center, row)
        if step % 100 == 0:
            pool.report(step / k, f"{step} of {k} picked")
    return Picks(order, details={"covering_radius": float(np.sqrt(nearest.max(initial=0)))})


def _add(pool: Pool, nearest: np.ndarray, center: np.ndarray, row: int) -> None:
    """Makes a row a center."""
    for start in range(0, len(pool), _BLOCK):
        rows = slice(start, start + _BLOCK)
        distances = squared_unit_distances(pool.Z[rows], pool.Z[row : row + 1])[:, 0]
        nearer = distances < nearest[rows]
        nearest[rows][nearer], center[rows][nearer] = distances[nearer], row
