"""One pass over a ranking that gives the nearest kept distance of every evaluated image at every budget of a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..progress import ProgressCallback, part_of
from ..vectors.points import Points
from . import sketch

_COLUMNS = 8192
_ROWS = 1024


@dataclass(frozen=True)
class RankingPass:
    """Result of :func:`ranking_pass`.

    Attributes:
        distance: (r, g, m) float32 distance of each evaluated row to the nearest *other* row among the first
            ``budgets[g]`` of each ranking; inf where there is none
        first_within: (m,) int64 position, in the first ranking, of the earliest other row within the radius; the
            length of the ranking where there is none
    """

    distance: np.ndarray
    first_within: np.ndarray


def ranking_pass(
    points: Points,
    rankings: Sequence[np.ndarray],
    rows: np.ndarray,
    budgets: np.ndarray,
    radius: float | np.ndarray,
    report: ProgressCallback,
) -> RankingPass:
    """Follows the nearest kept distance while the budget grows, for several rankings at the cost of one.

    Distances between a block of evaluated rows and a block of images are found once (a matrix product), and each
    ranking takes the largest closeness of the images that every budget of the grid adds. Distances are accurate to
    1e-3 on unit vectors, and to 1e-7 while the products are float64 (up to 5e9 multiplications).

    Args:
        points: the embeddings
        rankings: rankings of one length, rows first to keep first; ``first_within`` belongs to the first of them
        rows: (m,) rows to evaluate
        budgets: (g,) ascending budgets, the last one the length of the rankings
        radius: distance for ``first_within``, one of all rows or (m,) one of each
        report: progress function

    Returns:
        a :class:`RankingPass`
    """
    from .ranking_kernel import add_block

    first, radius = rankings[0], np.broadcast_to(radius, len(rows))
    ranked = np.unique(np.concatenate(rankings))
    columns = np.concatenate([first, ranked[~np.isin(ranked, first)]])
    position = np.full(points.n, len(columns))
    position[columns] = np.arange(len(columns))
    segments = np.stack([_segments(ranking, columns, budgets, points.n) for ranking in rankings])
    dtype = points.work_dtype(len(rows), len(columns))

    # Products leave this much in the squared distance of two equal unit vectors.
    rounding = 1e-12 if dtype is np.float64 else 1e-6

    distance = np.empty((len(rankings), len(budgets), len(rows)), dtype=np.float32)
    first_within = np.full(len(rows), len(first))
    # One block after the other lies here.
    room: np.ndarray = np.empty(min(_COLUMNS, len(columns)) * min(_ROWS, len(rows)), dtype=dtype)
    for start in range(0, len(rows), _ROWS):
        part = slice(start, start + _ROWS)
        left = points.block(rows[part], dtype)
        left_sq = np.einsum("ij,ij->i", left, left)
        best: np.ndarray = np.full((len(rankings), len(budgets), len(left)), -np.inf, dtype=dtype)
        enough = (left_sq - radius[part] ** 2 - rounding) / 2  # closeness at which a distance equals the radius
        for begin in range(0, len(columns), _COLUMNS):
            block = slice(begin, begin + _COLUMNS)
            closeness = _closeness(points, left, columns[block], room)
            own = position[rows[part]] - begin
            inside = np.flatnonzero((own >= 0) & (own < len(closeness)))
            closeness[own[inside], inside] = -np.inf
            add_block(best, closeness, segments[:, block], first_within[part], enough, begin, len(first))
        np.maximum.accumulate(best, axis=1, out=best)
        squared = left_sq - 2 * best
        squared[squared < rounding] = 0
        distance[:, :, part] = np.sqrt(squared)
        done = min(start + _ROWS, len(rows))
        report(done / len(rows), f"{done:,} of {len(rows):,} images")
    return RankingPass(distance, first_within)


def first_near(
    points: Points, ranking: np.ndarray, rows: np.ndarray, radius: float, report: ProgressCallback
) -> np.ndarray:
    """Where in a ranking the first other row within a radius stands.

    Args:
        points: the embeddings
        ranking: (r,) rows, first to keep first
        rows: (m,) rows to look around
        radius: the distance
        report: progress function

    Returns:
        (m,) int64 positions; r where there is none
    """
    found, seeking = np.full(len(rows), len(ranking)), np.arange(len(rows))
    end = np.array([len(ranking)])
    if points.normalize and sketch.pays(len(ranking), points.dim):
        of_all = np.union1d(ranking, rows)
        small = Points(sketch.sketch_of(points, of_all), normalize=False)
        places = [np.searchsorted(of_all, some) for some in (ranking, rows)]
        near = ranking_pass(small, [places[0]], places[1], end, radius + sketch.SLACK, part_of(report, 0, 0.5))
        seeking = np.flatnonzero(near.first_within < len(ranking))
    passed = ranking_pass(points, [ranking], rows[seeking], end, radius, part_of(report, 0.5, 1))
    found[seeking] = passed.first_within
    return found


def _closeness(points: Points, left: np.ndarray, columns: np.ndarray, room: np.ndarray) -> np.ndarray:
    """(columns, rows) matrix of x.y - |y|^2 / 2, which falls as the distance grows; written into ``room``."""
    right = points.block(columns, left.dtype.type)
    closeness = room[: len(right) * len(left)].reshape(len(right), len(left))
    np.matmul(right, left.T, out=closeness)
    closeness -= np.einsum("ij,ij->i", right, right)[:, None] / 2
    return closeness


def _segments(ranking: np.ndarray, columns: np.ndarray, budgets: np.ndarray, n: int) -> np.ndarray:
    """Index of the first budget that keeps each column; len(budgets) for columns outside the ranking."""
    segment = np.full(n, len(budgets))
    segment[ranking] = np.searchsorted(budgets, np.arange(1, len(ranking) + 1))
    return segment[columns]
