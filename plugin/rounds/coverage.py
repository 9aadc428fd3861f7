"""How much of the pool the labels cover: what can be said without a test set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..dataset.embeddings import Embeddings
from ..vectors.neighbors import pairwise_distances, unit_rows
from ..vectors.radius import coverage_radius
from ..vectors.row_hash import seeded_order
from .history import Measured
from .reserve import accuracy_error
from .standing import Standing

if TYPE_CHECKING:
    from .campaign import RoundsResults

#: Rows that stand for a larger pool.
_ROWS = 8192
#: Distances held at a time.
_DISTANCES = 16_000_000


def labelled_coverage(
    standing: Standing, found: Embeddings, radius: float | None, seed: int
) -> tuple[Measured, float] | None:
    """The share of the pool that lies within the coverage radius of a labelled row.

    Args:
        standing: the rows and their labels; test images are no part of the pool
        found: their embeddings
        radius: the coverage radius; read from the pool if None
        seed: the random seed

    Returns:
        the share, of 8,192 rows drawn at random where there are more, and the radius; None without embeddings
    """
    pool = np.flatnonzero(found.valid & ~standing.test)
    if not len(pool) or not found.matrix.shape[1]:
        return None
    if radius is None:
        radius = coverage_radius(found.matrix[pool], seed=seed)
    sample = pool if len(pool) <= _ROWS else seeded_order(found.matrix, seed, pool)[:_ROWS]
    labels = unit_rows(found.matrix[standing.labelled & found.valid])[0]
    share = float(within(unit_rows(found.matrix[sample])[0], labels, radius).mean())
    error = accuracy_error(share, len(sample)) if len(sample) < len(pool) else None
    return Measured(share, error, len(sample), "embeddings"), radius


def known_radius(results: RoundsResults) -> float | None:
    """The coverage radius of earlier rounds on the same embeddings, so that rounds can be compared; None if unknown."""
    embeddings = results.config.embeddings
    known = [entry.radius for entry in results.history if entry.embeddings == embeddings and entry.radius is not None]
    return known[0] if known and embeddings is not None else None


def within(unit: np.ndarray, others: np.ndarray, radius: float) -> np.ndarray:
    """Which rows lie within a radius of some others.

    Args:
        unit: (n, d) unit-norm rows
        others: (m, d) unit-norm rows
        radius: the radius

    Returns:
        (n,) bool
    """
    near = np.zeros(len(unit), dtype=bool)
    step = max(1, _DISTANCES // max(1, len(others)))
    for start in range(0, len(unit) if len(others) else 0, step):
        near[start : start + step] = pairwise_distances(unit[start : start + step], others).min(axis=1) <= radius
    return near
