"""Two sets of images: how far one covers the other, beside random splits of both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..progress import ProgressCallback, part_of
from ..vectors.points import Points
from ..vectors.radius import COVERAGE_ROWS
from .metric import MEANING, Metric, RandomBand
from .nearest_selected import nearest_selected
from .ranking_pass import ranking_pass


@dataclass(frozen=True)
class SetCoverage:
    """What of one set another one covers.

    Attributes:
        rows: (m,) rows of the set
        nearest: (m,) row of the other set that is nearest to each
        distance: (m,) float64 distance to it
        radius: distance within which a row counts as covered
        coverage: the covered share, beside what random splits of the two sets' images would show
    """

    rows: np.ndarray
    nearest: np.ndarray
    distance: np.ndarray
    radius: float
    coverage: Metric

    @property
    def covered(self) -> np.ndarray:
        """(m,) bool, True in rows that have something like them in the other set."""
        return self.distance <= self.radius

    @property
    def uncovered(self) -> np.ndarray:
        """Rows that have nothing like them in the other set, the farthest first."""
        order = np.argsort(-self.distance, kind="stable")
        return self.rows[order[~self.covered[order]]]


def set_coverage(
    points: Points,
    rows: np.ndarray,
    others: np.ndarray,
    radius: float,
    *,
    n_random: int = 10,
    seed: int = 0,
    report: ProgressCallback,
) -> SetCoverage:
    """Finds for every row of a set the nearest one of another set.

    Of a random split of the images of both into sets of these sizes, up to 10,000 images are followed.

    Args:
        points: the embeddings of both sets
        rows: (m,) the set that may be covered
        others: (k,) the set that may cover it
        radius: distance within which a row counts as covered
        n_random (10): random splits
        seed (0): of these
        report: progress function

    Returns:
        a :class:`SetCoverage`
    """
    found = nearest_selected(points, others, rows=rows, progress=part_of(report, 0.0, 0.4))
    rng = np.random.default_rng(seed)
    both = np.concatenate([rows, others])
    splits = [rng.permutation(both)[: len(others)] for _ in range(n_random)]
    followed = np.sort(rng.permutation(both)[:COVERAGE_ROWS])
    passed = ranking_pass(points, splits, followed, np.array([len(others)]), radius, part_of(report, 0.4, 1.0))
    shares = []
    for split, distance in zip(splits, passed.distance[:, 0], strict=True):
        covered = distance[~np.isin(followed, split)] <= radius
        if len(covered):
            shares.append(float(covered.mean()))
    band = RandomBand.of(shares) if len(shares) > 1 else None
    share = float((found.distance <= radius).mean())
    better, _ = MEANING["coverage"]
    coverage = Metric(share, band, better, "those with one within the coverage radius in the other set")
    return SetCoverage(rows, found.nearest, found.distance, radius, coverage)
