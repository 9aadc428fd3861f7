"""What ZCore prefers in a pool, and whether that can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....progress import ProgressCallback
from ...pool import Pool, weighted_ranks
from .settings import DEFAULTS, AutoSettings


@dataclass(frozen=True)
class ZCoreRanking:
    """ZCore's view of a pool.

    Attributes:
        ranking: (n,) int64 rows, the highest ZCore score first
        hits: (n,) float64 how often every row was nearest to a random target in a random plane
    """

    ranking: np.ndarray
    hits: np.ndarray


def zcore_ranking(pool: Pool, report: ProgressCallback, settings: AutoSettings = DEFAULTS) -> ZCoreRanking:
    """Ranks a pool by ZCore (Griffin et al., arXiv 2411.15349), which takes what lies at the outskirts of the space.

    Args:
        pool: the problem
        report: called with the finished fraction and what is being done
        settings: the constants

    Returns:
        the ranking
    """
    from ..zcore.scores import zcore_scores

    if (pool.X[0] == pool.X).all():
        return ZCoreRanking(np.arange(len(pool)), np.zeros(len(pool)))
    n_draws = min(settings.draws_per_row * len(pool), settings.max_draws)
    found = zcore_scores(pool.X, n_draws, pool.seed, num_workers=pool.num_workers, progress=report)
    return ZCoreRanking(np.argsort(-weighted_ranks(found.score, pool.weights), kind="stable"), found.coverage)


def zcore_trust(
    pool: Pool,
    regions: np.ndarray,
    ranking: np.ndarray,
    nearest: np.ndarray | None = None,
    settings: AutoSettings = DEFAULTS,
) -> float:
    """Judges without labels whether ZCore's first picks make a good coreset in this embedding space.

    They do where a model separates the kinds of images, so that the outskirts of its space are clear examples of each
    kind. Elsewhere the outskirts are oddities. Picks represent their regions if a row's nearest pick lies in the row's
    own region nearly as often as with random picks. They lie where images lie if the chance that a pick is more
    isolated than another image is near one half: above it oddities are collected, below it the densest kind is.

    Args:
        pool: the problem
        regions: (n,) region of every row
        ranking: (n,) int64 rows, ZCore's first pick first
        nearest (None): (n,) distance of every row to its nearest neighbour; None if rows stand for bursts, where being
            isolated is no sign of oddity
        settings: the constants

    Returns:
        trust from 0 to 1
    """
    from sklearn.metrics import roc_auc_score

    n = len(pool)
    counts = [int(share * n) for share in settings.tested_shares if int(share * n) >= settings.min_tested]
    if not counts:
        return 0.0
    rng = pool.rng()
    rows = rng.permutation(n)[: settings.max_tested_rows]
    standing = min(
        _standing_ratio(pool.Z, regions, rows, ranking[:count], rng, settings.random_choices) for count in counts
    )
    trust = _ramp(standing, *settings.trust_represents)
    if nearest is None:
        return trust
    picked = np.zeros(n, dtype=bool)
    picked[ranking[: counts[-1]]] = True
    isolation = roc_auc_score(picked, nearest)
    return trust * _ramp(isolation, *settings.trust_crowded) * _ramp(isolation, *settings.trust_isolated)


def outliers_last(ranking: np.ndarray, to_neighbors: np.ndarray, settings: AutoSettings = DEFAULTS) -> np.ndarray:
    """Moves the most isolated images to the end of ZCore's ranking, which ranks junk in places of its own high.

    Isolation is the distance to the second neighbour: rare kinds have a nearest image or two.

    Args:
        ranking: (n,) int64 rows, ZCore's first pick first
        to_neighbors: (n, m) distances of every row to its nearest neighbours, ascending
        settings: the constants

    Returns:
        (n,) int64, a permutation of ``ranking`` that keeps the order inside both parts
    """
    isolation = to_neighbors[:, min(settings.outlier_neighbor, to_neighbors.shape[1]) - 1]
    outlier = (isolation > np.quantile(isolation, 1 - settings.outlier_share))[ranking]
    return np.concatenate([ranking[~outlier], ranking[outlier]])


def _standing_ratio(
    Z: np.ndarray, regions: np.ndarray, rows: np.ndarray, picks: np.ndarray, rng: np.random.Generator, repeats: int
) -> float:
    """How often picks stand for the rows' regions, over how often as many random ones do."""
    by_chance = [_standing(Z, regions, rows, rng.permutation(len(Z))[: len(picks)]) for _ in range(repeats)]
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
