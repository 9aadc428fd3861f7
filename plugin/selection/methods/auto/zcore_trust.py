"""What ZCore prefers in a pool, and whether that can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....progress import Report
from ...pool import Pool, weighted_ranks

#: Draws of ZCore per row, and at most.
_DRAWS_PER_ROW = 50
_MOST_DRAWS = 5_000_000
#: The picks that are tested: these shares of the pool, if they are so many images, against so many random choices, as
#: seen by so many rows.
_TESTED_SHARES = (0.05, 0.1)
_LEAST_TESTED = 10
_RANDOM_CHOICES = 10
_MOST_ROWS = 2000
#: Trust rises from the first to the second value. Picks stand for their regions if a row's nearest pick lies in the
#: row's own region nearly as often as with random picks. They lie where images lie if the chance that a pick is more
#: isolated than another image is near one half: above it oddities are collected, below it the densest kind is.
_STANDING = (0.75, 0.85)
_CROWDED = (0.35, 0.4)
_ISOLATED = (0.61, 0.57)
#: What ZCore collects beside clear examples is junk in places of its own. The images farthest from this neighbour, this
#: share of the pool, come last. Rare kinds have a nearest image or two.
_OUTLIER_NEIGHBOR = 2
_OUTLIER_SHARE = 0.05


@dataclass(frozen=True)
class Margins:
    """ZCore's view of a pool.

    Attributes:
        ranking: (n,) int64 rows, the highest ZCore score first
        hits: (n,) float64 how often every row was nearest to a random target in a random plane
    """

    ranking: np.ndarray
    hits: np.ndarray


def find_margins(pool: Pool, report: Report) -> Margins:
    """Ranks a pool by ZCore (Griffin et al., arXiv 2411.15349), which takes what lies at the margins of the space.

    Args:
        pool: the problem
        report: called with the finished fraction and what is being done

    Returns:
        the ranking
    """
    from ..zcore.scores import zcore_scores

    if (pool.X[0] == pool.X).all():
        return Margins(np.arange(len(pool)), np.zeros(len(pool)))
    n_draws = min(_DRAWS_PER_ROW * len(pool), _MOST_DRAWS)
    found = zcore_scores(pool.X, n_draws, pool.seed, num_workers=pool.num_workers, progress=report)
    return Margins(np.argsort(-weighted_ranks(found.score, pool.weights), kind="stable"), found.coverage)


def trust_in_margins(pool: Pool, regions: np.ndarray, ranking: np.ndarray, nearest: np.ndarray | None = None) -> float:
    """Judges without labels whether ZCore's first picks make a good coreset in this embedding space.

    They do where a model separates the kinds of images, so that its margins are clear examples of each kind. Elsewhere
    margins are oddities. Two things tell: whether the picks stand for their regions, and whether they lie neither
    farther from other images than any image does nor much closer.

    Args:
        pool: the problem
        regions: (n,) region of every row
        ranking: (n,) int64 rows, ZCore's first pick first
        nearest (None): (n,) distance of every row to its nearest neighbour; None if rows stand for bursts, where being
            isolated is no sign of oddity

    Returns:
        trust from 0 to 1
    """
    from sklearn.metrics import roc_auc_score

    n = len(pool)
    counts = [int(share * n) for share in _TESTED_SHARES if int(share * n) >= _LEAST_TESTED]
    if not counts:
        return 0.0
    rng = pool.rng()
    rows = rng.permutation(n)[:_MOST_ROWS]
    standing = min(_standing_ratio(pool.Z, regions, rows, ranking[:count], rng) for count in counts)
    trust = _ramp(standing, *_STANDING)
    if nearest is None:
        return trust
    picked = np.zeros(n, dtype=bool)
    picked[ranking[: counts[-1]]] = True
    isolation = roc_auc_score(picked, nearest)
    return trust * _ramp(isolation, *_CROWDED) * _ramp(isolation, *_ISOLATED)


def outliers_last(ranking: np.ndarray, to_neighbors: np.ndarray) -> np.ndarray:
    """Moves the most isolated images to the end of ZCore's ranking.

    Args:
        ranking: (n,) int64 rows, ZCore's first pick first
        to_neighbors: (n, m) distances of every row to its nearest neighbours, ascending

    Returns:
        (n,) int64, a permutation of ``ranking`` that keeps the order inside both parts
    """
    isolation = to_neighbors[:, min(_OUTLIER_NEIGHBOR, to_neighbors.shape[1]) - 1]
    outlier = (isolation > np.quantile(isolation, 1 - _OUTLIER_SHARE))[ranking]
    return np.concatenate([ranking[~outlier], ranking[outlier]])


def _standing_ratio(
    Z: np.ndarray, regions: np.ndarray, rows: np.ndarray, picks: np.ndarray, rng: np.random.Generator
) -> float:
    """How often picks stand for the rows' regions, over how often as many random ones do."""
    by_chance = [_standing(Z, regions, rows, rng.permutation(len(Z))[: len(picks)]) for _ in range(_RANDOM_CHOICES)]
    return _standing(Z, regions, rows, picks) / max(float(np.mean(by_chance)), 1e-9)


def _standing(Z: np.ndarray, regions: np.ndarray, rows: np.ndarray, picks: np.ndarray) -> float:
    """Share of rows whose nearest pick, other than themselves, lies in their own region."""
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=2, algorithm="brute").fit(Z[picks])
    found = picks[search.kneighbors(Z[rows], return_distance=False)]
    other = np.where(found[:, 0] == rows, found[:, 1], found[:, 0])
    return float(np.mean(regions[other] == regions[rows]))


def _ramp(value: float, none: float, full: float) -> float:
    return float(np.clip((value - none) / (full - none), 0, 1))
