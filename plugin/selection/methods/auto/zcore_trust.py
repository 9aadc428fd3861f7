"""What ZCore prefers in a pool, and whether that can be trusted."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ....progress import ProgressCallback, part_of
from ....vectors.neighbors import squared_distances
from ...pool import Pool, weighted_ranks
from .settings import DEFAULTS, AutoSettings

_BLOCK_PICKS = 8192


@dataclass(frozen=True)
class ZCoreRanking:
    """ZCore's view of a pool.

    Attributes:
        ranking: (n,) int64 rows, the highest ZCore score first
        hits: (n,) float64 how often every row was nearest to a random target in a random plane
    """

    ranking: np.ndarray
    hits: np.ndarray


def judged_zcore(
    pool: Pool,
    regions: np.ndarray,
    nearest: np.ndarray | None,
    report: ProgressCallback,
    settings: AutoSettings = DEFAULTS,
) -> tuple[ZCoreRanking, bool]:
    """Ranks a pool by ZCore, and judges whether that ranking may be followed, see :func:`trusts_zcore`.

    A large pool is judged by some of its rows, a random part since rows come in a random order; only where they speak
    for ZCore is the whole pool ranked.

    Args:
        pool: the problem
        regions: (n,) region of every row
        nearest: see :func:`trusts_zcore`
        report: called with the finished fraction and what is being done
        settings: the constants

    Returns:
        a tuple of the ranking, in which rows that were not looked at come last and have no hits, and whether it is
        trusted
    """
    judged = min(len(pool), settings.judged_rows)
    rows = np.arange(judged)
    part = pool
    if judged < len(pool):
        none = np.empty(0, dtype=np.int64)
        part = replace(pool, vectors=pool.vectors.take(rows), preselected=none, weights=pool.weights[rows])
    ranked = zcore_ranking(part, settings.n_draws(judged), part_of(report, 0, judged / len(pool)))
    trusted = trusts_zcore(part, regions[rows], ranked.ranking, None if nearest is None else nearest[rows], settings)
    if judged == len(pool):
        return ranked, trusted
    if trusted:
        return zcore_ranking(pool, settings.n_draws(len(pool)), part_of(report, judged / len(pool), 1)), True
    others = np.arange(judged, len(pool))
    return ZCoreRanking(np.append(ranked.ranking, others), np.append(ranked.hits, np.zeros(len(others)))), False


def zcore_ranking(pool: Pool, n_draws: int, report: ProgressCallback) -> ZCoreRanking:
    """Ranks a pool by ZCore (Griffin et al., arXiv 2411.15349), which takes what lies at the outskirts of the space.

    Args:
        pool: the problem
        n_draws: draws of ZCore
        report: called with the finished fraction and what is being done

    Returns:
        the ranking
    """
    from ..zcore.scores import zcore_scores

    if (pool.X[0] == pool.X).all():
        return ZCoreRanking(np.arange(len(pool)), np.zeros(len(pool)))
    found = zcore_scores(pool.X, n_draws, pool.seed, num_workers=pool.num_workers, progress=report)
    return ZCoreRanking(np.argsort(-weighted_ranks(found.score, pool.weights), kind="stable"), found.coverage)


def trusts_zcore(
    pool: Pool,
    regions: np.ndarray,
    ranking: np.ndarray,
    nearest: np.ndarray | None = None,
    settings: AutoSettings = DEFAULTS,
) -> bool:
    """Judges without labels whether ZCore's first picks make a good coreset in this embedding space.

    They do where a model separates the kinds of images, so that the outskirts of its space are clear examples of each
    kind. Elsewhere the outskirts are oddities. Picks represent their regions if a row's nearest pick lies in the row's
    own region nearly as often as with random picks. They lie where images lie if the chance that a pick is more
    isolated than another image (AUC) is near one half: above it oddities are collected, below it the densest kind is.

    Args:
        pool: the problem
        regions: (n,) region of every row
        ranking: (n,) int64 rows, ZCore's first pick first
        nearest (None): (n,) distance of every row to its nearest neighbour; None if rows stand for bursts, where being
            isolated is no sign of oddity
        settings: the constants

    Returns:
        whether they do; False if there are too few rows to tell
    """
    from sklearn.metrics import roc_auc_score

    n = len(pool)
    counts = [int(share * n) for share in settings.tested_shares if int(share * n) >= settings.min_tested]
    if not counts:
        return False
    rng = pool.rng()
    rows = rng.permutation(n)[: settings.max_compared]
    if any(
        _standing_ratio(pool.Z, regions, rows, ranking[:count], rng, settings.random_choices) < settings.least_standing
        for count in counts
    ):
        return False
    if nearest is None:
        return True
    picked = np.zeros(n, dtype=bool)
    picked[ranking[: counts[-1]]] = True
    return bool(abs(roc_auc_score(picked, nearest) - 0.5) <= settings.max_isolation)


def _standing_ratio(
    Z: np.ndarray, regions: np.ndarray, rows: np.ndarray, picks: np.ndarray, rng: np.random.Generator, repeats: int
) -> float:
    """How often picks stand for the rows' regions, over how often as many random ones do."""
    by_chance = [_standing(Z, regions, rows, rng.permutation(len(Z))[: len(picks)]) for _ in range(repeats)]
    return _standing(Z, regions, rows, picks) / max(float(np.mean(by_chance)), 1e-9)


def _standing(Z: np.ndarray, regions: np.ndarray, rows: np.ndarray, picks: np.ndarray) -> float:
    """Share of rows whose nearest pick, other than themselves, lies in their own region."""
    best = np.full(len(rows), np.inf, dtype=np.float32)
    nearest = np.zeros(len(rows), dtype=np.int64)
    for start in range(0, len(picks), _BLOCK_PICKS):
        part = picks[start : start + _BLOCK_PICKS]
        squared = squared_distances(Z[rows], Z[part])
        squared[rows[:, None] == part] = np.inf
        closest = squared.argmin(axis=1)
        values = squared[np.arange(len(rows)), closest]
        nearest = np.where(values < best, part[closest], nearest)
        best = np.minimum(best, values)
    return float(np.mean(regions[nearest] == regions[rows]))
