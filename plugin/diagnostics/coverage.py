"""Makes a coverage curve: coverage and redundancy of every prefix of a ranking, in one pass over the embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import CoresetError
from ..progress import ProgressCallback, reporting
from ..seeds import check_seed
from ..vectors.points import as_points
from ..vectors.radius import COVERAGE_ROWS, comparison_radii
from ..vectors.row_sets import usable_row_set
from .curve import METRICS, CoverageCurve
from .metric import distance_metrics
from .ranking_pass import ranking_pass
from .redundancy import second_of_group_at


def coverage_curve(
    embeddings: Any,
    ranking: Sequence[int] | np.ndarray,
    *,
    coverage_radius: float | None = None,
    near_duplicate_radius: float | None = None,
    near_copies: np.ndarray | None = None,
    n_budgets: int = 64,
    n_random: int = 10,
    max_rows: int = COVERAGE_ROWS,
    normalize: bool = True,
    seed: int = 0,
    progress: bool | ProgressCallback | None = False,
) -> CoverageCurve:
    """Finds coverage and redundancy at every budget of a ranking, in one pass over the embeddings.

    Up to ``max_rows`` images everything is exact. Beyond, coverage is read from ``max_rows`` random images (standard
    error of a share at most ``0.5 / sqrt(max_rows)``, 0.005), and near-duplicates from the first ``max_rows / 2``
    ranked images plus as many random ones of the others.

    Args:
        embeddings: (n, d) embeddings, or :class:`Points`
        ranking: (r,) rows, first to keep first
        coverage_radius (None): distance within which an image counts as covered;
            :func:`.radius.coverage_radius` by default
        near_duplicate_radius (None): distance within which two images are near-duplicates;
            :func:`.near_duplicates.near_duplicate_radius` by default
        near_copies (None): (n,) group of near-copies of every image; if given, they are the near-duplicates
        n_budgets (64): size of the logarithmic grid of budgets
        n_random (10): random rankings behind the band
        max_rows (10000): images evaluated
        normalize (True): whether distances are taken between unit-length vectors
        seed (0): of samples and random rankings
        progress (False): ``True`` for a bar, or a function ``(fraction, message)``

    Returns:
        a :class:`CoverageCurve`

    Raises:
        CoresetError: if the embeddings or the ranking cannot be used

    Examples:
        >>> ranking = fc.zcore_scores(embeddings, n_draws=1_000).score.argsort()[::-1]
        >>> curve = fc.coverage_curve(embeddings, ranking)
        >>> curve.smallest_budget_for(0.9) < curve.max_budget
        True
    """
    if n_random < 2:
        raise CoresetError(f"n_random={n_random}: a random band needs at least 2 rankings")
    seed = check_seed(seed)
    points = as_points(embeddings, normalize)
    order = usable_row_set(ranking, points, "ranking")
    radius, duplicate_radius = comparison_radii(points, coverage_radius, near_duplicate_radius, seed)
    budgets = np.unique(np.geomspace(1, len(order), n_budgets).round().astype(np.int64))
    rng = np.random.default_rng(seed)
    rankings = [order, *(rng.permutation(points.rows)[: len(order)] for _ in range(n_random))]
    rows = points.sample(max_rows, seed)
    followed, weight = _followed_ranks(len(order), max_rows, rng)
    with reporting(progress, "Coverage curve") as report:
        looked_around = order[followed] if near_copies is None else followed[:0]
        radii = np.repeat([radius, duplicate_radius], [len(rows), len(looked_around)])
        passed = ranking_pass(points, rankings, np.r_[rows, looked_around], budgets, radii, report, len(rows))
    first_within, near = np.split(passed.first_within, [len(rows)])
    positions = [rank_positions(ranked, points.n)[rows] for ranked in rankings]
    tables = [
        _metrics_along(distance, position, budgets, radius, duplicate_radius)
        for distance, position in zip(passed.distance, positions, strict=True)
    ]
    if near_copies is None:
        redundant_at = np.maximum(near, followed) + 1
    else:
        repeated = [second_of_group_at(near_copies[ranked]) for ranked in rankings]
        redundant_at = repeated[0][followed]
        for table, at in zip(tables, repeated, strict=True):
            table["near_duplicate_rate"] = np.searchsorted(np.sort(at), budgets, side="right") / budgets
    random_mean, random_sd = _bands(tables[1:], budgets)
    curve = CoverageCurve(
        n=len(points.rows),
        budgets=budgets,
        values=tables[0],
        random_mean=random_mean,
        random_sd=random_sd,
        n_random=n_random,
        coverage_radius=radius,
        near_duplicate_radius=duplicate_radius,
        normalize=points.normalize,
        rows=rows,
        distance=without_kept(passed.distance[0], positions[0], budgets).astype(np.float16),
        covered_at=np.sort(np.minimum(first_within, positions[0]) + 1),
        followed=followed,
        followed_weight=weight,
        redundant_at=redundant_at,
    )
    # Kept images themselves, not a sample of all images, say how redundant a ranking is.
    curve.values["near_duplicate_rate"] = np.array([curve.near_duplicate_rate_at(int(b)) for b in budgets])
    return curve


def rank_positions(ranking: np.ndarray, n: int) -> np.ndarray:
    """Position of every row in a ranking; the ranking's length for rows outside it."""
    positions = np.full(n, len(ranking))
    positions[ranking] = np.arange(len(ranking))
    return positions


def _followed_ranks(n_ranked: int, max_rows: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Ranks whose near-duplicates are followed, all of the first ones and some of the others, and their weights."""
    if n_ranked <= max_rows:
        return np.arange(n_ranked), np.ones(n_ranked)
    head = max_rows // 2
    size = max_rows - head
    tail = head + np.sort(rng.choice(n_ranked - head, size, replace=False))
    weight = np.repeat([1.0, (n_ranked - head) / size], [head, size])
    return np.concatenate([np.arange(head), tail]), weight


def without_kept(distance: np.ndarray, positions: np.ndarray, budgets: np.ndarray) -> np.ndarray:
    """Distances (g, m) to the nearest kept image, 0 from where the image is itself kept."""
    return np.where(positions < budgets[:, None], 0, distance)


def _metrics_along(
    distance: np.ndarray, positions: np.ndarray, budgets: np.ndarray, radius: float, duplicate_radius: float
) -> dict[str, np.ndarray]:
    """The metrics at every budget, from (g, m) distances to the nearest other kept image.

    A random subset is as near to an image that it keeps as to one that it does not, so for random rankings all images,
    kept or not, tell how many kept ones have a near-duplicate among the b - 1 others.
    """
    near_duplicate_rate = (distance <= duplicate_radius).mean(axis=1) * (budgets - 1) / budgets
    return {
        **distance_metrics(without_kept(distance, positions, budgets), radius),
        "near_duplicate_rate": near_duplicate_rate,
    }


def _bands(
    tables: list[dict[str, np.ndarray]], budgets: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Mean and standard deviation of every metric over random rankings."""
    mean = {name: np.mean([table[name] for table in tables], axis=0) for name in METRICS}
    sd = {name: np.std([table[name] for table in tables], axis=0, ddof=1) for name in METRICS}
    # All images tell the rate better than the b kept ones do; what b kept ones scatter, in pairs, comes on top.
    rate = mean["near_duplicate_rate"]
    sd["near_duplicate_rate"] = np.sqrt(sd["near_duplicate_rate"] ** 2 + 2 * rate * (1 - rate) / budgets)
    return mean, sd
