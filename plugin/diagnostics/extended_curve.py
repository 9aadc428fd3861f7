"""A coverage curve after rows were ranked behind those it was made for; the cost grows with the rows added."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..progress import silence
from ..vectors.points import Points
from .coverage import rank_positions, without_kept
from .curve import METRICS, CoverageCurve
from .metric import distance_metrics
from .ranking_pass import first_near, ranking_pass
from .redundancy import second_of_group_at


def extended_curve(
    curve: CoverageCurve, points: Points, ranking: np.ndarray, near_copies: np.ndarray | None = None, seed: int = 0
) -> CoverageCurve:
    """Extends a curve to a longer ranking.

    What the first rows of the ranking cover of each other stays as it was. The rows behind them are evaluated in the
    share in which the first ones were. The band of random subsets stays that of the first rows.

    Args:
        curve: the curve of the first rows of the ranking, which are the first rows of the matrix
        points: the embeddings of all rows
        ranking: (r,) all rows, first to keep first
        near_copies (None): (n,) group of near-copies of every row; if given, they are the near-duplicates
        seed (0): of the sample of the added rows

    Returns:
        a curve up to a budget of ``r``
    """
    before, total = curve.max_budget, len(ranking)
    if total == before:
        return curve
    rng = np.random.default_rng(seed)
    added = np.sort(rng.permutation(ranking[before:])[: _share_of(total - before, len(curve.rows), before)])
    also = before + np.sort(rng.permutation(total - before)[: _share_of(total - before, len(curve.followed), before)])
    rows = np.concatenate([curve.rows, added])
    budgets = np.concatenate([curve.budgets, _further_budgets(curve.budgets, total)])
    repeats = ranking[also] if near_copies is None else added[:0]
    radii = np.repeat([curve.coverage_radius, curve.near_duplicate_radius], [len(added), len(repeats)])
    passed = ranking_pass(points, [ranking], np.r_[added, repeats], budgets, radii, silence, len(added))
    covered_at, repeated_at = np.split(passed.first_within, [len(added)])
    places = rank_positions(ranking, points.n)[added]
    table = np.zeros((len(budgets), len(rows)), dtype=np.float32)  # all of the first rows are kept beyond their budgets
    table[: len(curve.budgets), : len(curve.rows)] = curve.distance
    table[:, len(curve.rows) :] = without_kept(passed.distance[0], places, budgets)
    weight = np.full(len(also), (total - before) / len(also))
    redundant_at = _redundant_at(curve, points, ranking, also, repeated_at, near_copies)
    extended = replace(
        curve,
        n=curve.n + total - before,
        budgets=budgets,
        rows=rows,
        distance=table.astype(np.float16),
        covered_at=np.sort(np.concatenate([curve.covered_at, np.minimum(covered_at, places) + 1])),
        random_mean=_continued(curve.random_mean, len(budgets)),
        random_sd=_continued(curve.random_sd, len(budgets)),
        followed=np.concatenate([curve.followed, also]),
        followed_weight=np.concatenate([curve.followed_weight, weight]),
        redundant_at=redundant_at,
    )
    found = distance_metrics(table, curve.coverage_radius)
    found["near_duplicate_rate"] = np.array([extended.near_duplicate_rate_at(int(budget)) for budget in budgets])
    return replace(extended, values={name: found[name] for name in METRICS})


def _share_of(count: int, sampled: int, of: int) -> int:
    """How many of ``count`` rows are looked at if ``sampled`` were looked at ``of`` others."""
    return min(count, max(1, round(count * sampled / of)))


def _further_budgets(budgets: np.ndarray, total: int) -> np.ndarray:
    """Budgets beyond a grid, about as dense on a logarithmic scale."""
    last = int(budgets[-1])
    steps = max(1, round(len(budgets) * np.log(total / last) / np.log(max(last, 2))))
    return np.unique(np.geomspace(last, total, steps + 1).round().astype(np.int64))[1:]


def _continued(table: dict[str, np.ndarray], size: int) -> dict[str, np.ndarray]:
    """The last values for all further budgets."""
    return {name: np.r_[values, np.full(size - len(values), values[-1])] for name, values in table.items()}


def _redundant_at(
    curve: CoverageCurve,
    points: Points,
    ranking: np.ndarray,
    also: np.ndarray,
    repeated_at: np.ndarray,
    near_copies: np.ndarray | None,
) -> np.ndarray:
    """From which budgets on the followed ranks, those of the curve and further ones, have a near-duplicate.

    Args:
        curve: the curve of the first rows of the ranking
        points: the embeddings
        ranking: (r,) all rows
        also: ranks behind those of the curve that are followed too
        repeated_at: the first rank that holds a row within the near-duplicate radius of each of these
        near_copies: (n,) groups that are the near-duplicates, or None
    """
    before, total = curve.max_budget, len(ranking)
    if near_copies is not None:
        return second_of_group_at(near_copies[ranking])[np.concatenate([curve.followed, also])]
    behind = ranking[before:]
    repeats = first_near(points, behind, ranking[curve.followed], curve.near_duplicate_radius, silence)
    first = np.where(repeats < len(behind), before + repeats + 1, total + 1)
    old = np.where(curve.redundant_at <= before, curve.redundant_at, first)
    return np.concatenate([old, np.maximum(repeated_at, also) + 1])
