"""A coverage curve after rows were ranked behind those it was made for; the cost grows with the rows added."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..progress import silence
from ..vectors.points import Points
from ..vectors.radius import covered_from
from .coverage import rank_positions, without_kept
from .curve import METRICS, CoverageCurve
from .metric import distance_metrics
from .ranking_pass import ranking_pass
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
    rng = np.random.default_rng(seed)
    added = rng.permutation(ranking[before:])[: _share_of(total - before, len(curve.rows), before)]
    rows = np.concatenate([curve.rows, np.sort(added)])
    budgets = np.concatenate([curve.budgets, _further_budgets(curve.budgets, total)])
    passed = ranking_pass(points, [ranking], rows[len(curve.rows) :], budgets, curve.coverage_radius, silence)
    places = rank_positions(ranking, points.n)[rows[len(curve.rows) :]]
    table = np.zeros((len(budgets), len(rows)), dtype=np.float32)  # all of the first rows are kept beyond their budgets
    table[: len(curve.budgets), : len(curve.rows)] = curve.distance
    table[:, len(curve.rows) :] = without_kept(passed.distance[0], places, budgets)
    covered = covered_from(points, ranking, rows[len(curve.rows) :], curve.coverage_radius)
    followed, weight, redundant_at = _followed(curve, points, ranking, near_copies, rng)
    extended = replace(
        curve,
        n=curve.n + total - before,
        budgets=budgets,
        rows=rows,
        distance=table.astype(np.float16),
        covered_at=np.sort(np.concatenate([curve.covered_at, covered])),
        random_mean=_continued(curve.random_mean, len(budgets)),
        random_sd=_continued(curve.random_sd, len(budgets)),
        followed=followed,
        followed_weight=weight,
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


def _followed(
    curve: CoverageCurve,
    points: Points,
    ranking: np.ndarray,
    near_copies: np.ndarray | None,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ranks that are followed, how many each stands for, and from which budgets on they have a near-duplicate."""
    before, total = curve.max_budget, len(ranking)
    size = _share_of(total - before, len(curve.followed), before)
    added = before + np.sort(rng.permutation(total - before)[:size])
    weight = np.full(size, (total - before) / size)
    followed = np.concatenate([curve.followed, added])
    if near_copies is not None:
        at = second_of_group_at(near_copies[ranking])[followed]
    else:
        radius = curve.near_duplicate_radius
        behind, end = ranking[before:], np.array([total - before])
        repeats = ranking_pass(points, [behind], ranking[curve.followed], end, radius, silence).first_within
        first = np.where(repeats < len(behind), before + repeats + 1, total + 1)
        old = np.where(curve.redundant_at <= before, curve.redundant_at, first)
        found = ranking_pass(points, [ranking], ranking[added], np.array([total]), radius, silence).first_within
        at = np.concatenate([old, np.maximum(found, added) + 1])
    return followed, np.concatenate([curve.followed_weight, weight]), at
