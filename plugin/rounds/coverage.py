"""How much of the pool the labels cover: what can be said without a test set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..dataset.embeddings import Embeddings
from ..vectors.matrix import blocks
from ..vectors.near_duplicates import near_duplicate_radius
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


@dataclass(frozen=True)
class LabelledCoverage:
    """How near the pool is to the labels.

    Attributes:
        share: of the pool that lies within the coverage radius of a labelled row
        radius: the coverage radius
        farthest: the largest distance of a row, those to skip left out, to the nearest labelled one; None without
            labels
        near_duplicates: the distance within which rows count as near-duplicates
    """

    share: Measured
    radius: float
    farthest: float | None
    near_duplicates: float


def labelled_coverage(
    standing: Standing, found: Embeddings, known: tuple[float, float | None] | None, seed: int
) -> LabelledCoverage | None:
    """How near the pool is to the labels.

    Args:
        standing: the rows and their labels; test images are no part of the pool
        found: their embeddings
        known: the coverage radius and the near-duplicate radius, as :func:`known_radii` gives them; read from the pool
            if None
        seed: the random seed

    Returns:
        the distances, of 8,192 rows drawn at random where there are more; of all if these are near-duplicates of the
        labels, which is then said of every row. None without embeddings
    """
    pool = np.flatnonzero(found.valid & ~standing.test)
    if not len(pool) or not found.matrix.shape[1]:
        return None
    radius, copies = known or (coverage_radius(found.matrix[pool], seed=seed), None)
    if copies is None:
        copies = near_duplicate_radius(found.matrix[pool], seed=seed)
    sample = pool if len(pool) <= _ROWS else seeded_order(found.matrix, seed, pool)[:_ROWS]
    labels = unit_rows(found.matrix[standing.labelled & found.valid])[0]
    distances = nearest_distances(unit_rows(found.matrix[sample])[0], labels)
    share = float((distances <= radius).mean())
    error = accuracy_error(share, len(sample)) if len(sample) < len(pool) else None
    farthest = None
    if len(labels):
        farthest = float(distances[~standing.skipped[sample]].max(initial=0))
        if farthest <= copies and len(sample) < len(pool):
            wanted = pool[~standing.skipped[pool]]
            parts = (unit_rows(found.matrix[wanted[rows]])[0] for rows in blocks(len(wanted), _ROWS))
            farthest = max(float(nearest_distances(part, labels).max(initial=0)) for part in parts)
    return LabelledCoverage(Measured(share, error, len(sample), "embeddings"), radius, farthest, copies)


def known_radii(results: RoundsResults) -> tuple[float, float | None] | None:
    """The coverage radius and the near-duplicate radius of earlier rounds on the same embeddings, so that rounds can be
    compared; None if unknown.
    """
    embeddings = results.config.embeddings
    known = [
        (entry.radius, entry.near_duplicates)
        for entry in results.history
        if entry.embeddings == embeddings and entry.radius is not None
    ]
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
    return nearest_distances(unit, others) <= radius


def nearest_distances(unit: np.ndarray, others: np.ndarray) -> np.ndarray:
    """How far rows are from the nearest of some others.

    Args:
        unit: (n, d) unit-norm rows
        others: (m, d) unit-norm rows

    Returns:
        (n,) float32, infinite where there are no others
    """
    nearest = np.full(len(unit), np.inf, dtype=np.float32)
    step = max(1, _DISTANCES // max(1, len(others)))
    for start in range(0, len(unit) if len(others) else 0, step):
        nearest[start : start + step] = pairwise_distances(unit[start : start + step], others).min(axis=1)
    return nearest
