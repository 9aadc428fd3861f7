"""Uncertainty Herding: coverage of what the model is uncertain of."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

from ...errors import CoresetError
from ...vectors.matrix import blocks
from ...vectors.neighbors import pairwise_distances, squared_distances
from ..costs import check_costs
from ..cover import DENSE_ROWS, Coverage, distance_matrix, greedy_cover, similarities
from ..method import register
from ..pool import Picks, Pool
from ..predictions import Predictions
from .maxherding import LEAST_BANDWIDTH, gaussian, usual_distance

#: Picks up to which a sample of a large pool stands for it.
_SAMPLED_PICKS = 2000
#: Uncertainty that every row counts with, in units of the mean: without it the order of rows about which a saturated
#: model is certain would be left to rounding.
_FLOOR = 1e-3
#: Bounds of the adaptive bandwidth, in units of the usual one: a pair of near-copies among the labels, or labels far
#: from each other, say nothing of the scale of the pool.
_ADAPTIVE = (0.5, 2.0)
_NEIGHBORS = 10
_BLOCK = 1024
#: Links of a sparse graph that are compared at a time.
_LINKS = 65_536


@register(
    "uherding",
    "Uncertainty Herding: covers what a model is uncertain of; the next labels to ask for",
    needs_predictions=True,
    per_row=("cost",),
)
def uherding(
    pool: Pool,
    k: int,
    measure: str | None = None,
    bandwidth: float | str | None = None,
    cost: np.ndarray | None = None,
    cost_budget: float | None = None,
    prediction_bandwidth: float | None = None,
) -> Picks:
    """Maximises the mean over all rows of ``u_i max_s exp(-(d_is / h)^2)`` (Bae et al., ICLR 2025), by lazy greedy.

    MaxHerding in which a row counts as much as the model is uncertain of it; what is kept, the labelled rows, covers.
    Weights multiply the uncertainty. Above 8,192 rows that many rows drawn at random stand for the pool, as what is
    covered and as candidates, for up to 2,000 picks, and others when more rows are kept; selections of such pools are
    not nested. Above, only the 64 nearest neighbours of a row count. The authors' code draws such a sample from a
    global generator.

    Args:
        pool: the problem, with predictions
        k: rows to pick
        measure (None): see :func:`.predictions.uncertainty`; by default the best that the predictions allow
        bandwidth (None): h; by default the median distance to the 10th nearest neighbour, in the sample of a large pool
            to the one that a pick stands for; "adaptive" is the smallest distance between kept rows, as the authors
            have it, within half and twice the default
        cost (None): (n,) positive cost of a row's label; gains are divided by it
        cost_budget (None): what may be spent: rows that do not fit into what is left of it come last, see
            :func:`.cover.greedy_cover`. :func:`.costs.affordable` cuts the ranking where it is spent
        prediction_bandwidth (None): if given, rows cover each other only as far as their predictions agree too: the
            kernel is multiplied by that of the distance between the probabilities of all classes over this number,
            as DEUCE combines both kinds of diversity (Guo et al., TACL 2024)

    Returns:
        the picks

    References:
        Bae, Sutherland and Oliveira: Uncertainty Herding: One Active Learning Method for All Label Budgets. ICLR 2025.
    """
    assert pool.predictions is not None
    price = check_costs(cost, cost_budget)
    u = pool.uncertainty(measure)
    if u.min(initial=0) < 0:
        raise CoresetError(
            f"measure {measure!r} is negative for some rows, so rows cannot be weighted by it; use 'margin'"
        )
    weights = pool.weights * np.maximum(u, _FLOOR * u.mean()) if u.any() else pool.weights
    sampled = _sample(pool, k)
    part = pool if sampled is None else pool.subset(sampled, sampled[~pool.candidates[sampled]])
    distances = distance_matrix(part)
    h = max(_bandwidth(pool, k, distances, bandwidth), LEAST_BANDWIDTH)
    said = None
    if prediction_bandwidth is not None:
        said = _scaled_predictions(pool.predictions, h, prediction_bandwidth)
        distances = _joined(distances, said if sampled is None else said[sampled])
    matrix = similarities(distances, gaussian, np.full(len(part), h, dtype=np.float32))
    if sampled is None:
        coverage = Coverage(matrix, weights)
    else:
        kept, rows = _kept(pool), part.Z
        if said is not None:
            kept, rows = np.hstack([kept, said[pool.preselected]]), np.hstack([rows, said[sampled]])
        coverage = Coverage(matrix, weights[sampled], _covered_by(kept, rows, h))
    if price is not None and sampled is not None:
        price = price[sampled]
    order, gains = greedy_cover(matrix, k, part, coverage, price, cost_budget)
    details = {
        "measure": measure or pool.predictions.default_measure,
        "equally_uncertain": bool(np.ptp(u[pool.candidates]) == 0),
        "bandwidth": h,
        "gain": float(gains.sum() / len(part)),
        "rows_compared": len(part),
    }
    return Picks(order if sampled is None else sampled[order], details=details)


def _scaled_predictions(predictions: Predictions, h: float, bandwidth: float) -> np.ndarray:
    """(n, C) float32 probabilities in units of their bandwidth over that of embeddings, alike in rows without any."""
    if isinstance(bandwidth, bool) or not isinstance(bandwidth, Real) or not bandwidth > 0:
        raise CoresetError(f"prediction_bandwidth must be a positive number or None, got {bandwidth!r}")
    P = predictions.all_classes("prediction_bandwidth=")
    return np.where(np.isnan(P), np.float32(1 / P.shape[1]), P) * np.float32(h / bandwidth)


def _joined(distances: Any, said: np.ndarray) -> Any:
    """Distances in the space of embeddings and scaled predictions together."""
    if isinstance(distances, np.ndarray):
        squared = np.maximum(squared_distances(said, said), 0) + distances**2
        np.fill_diagonal(squared, 0)
        return np.sqrt(squared, out=squared)
    joined, row_of = distances.copy(), np.repeat(np.arange(distances.shape[0]), np.diff(distances.indptr))
    for part in blocks(len(row_of), _LINKS):
        apart = said[row_of[part]] - said[distances.indices[part]]
        joined.data[part] = np.sqrt(distances.data[part] ** 2 + (apart**2).sum(axis=1))
    return joined


def _sample(pool: Pool, k: int) -> np.ndarray | None:
    """Ascending rows that stand for a large pool; None if all take part."""
    if len(pool) <= DENSE_ROWS or k > _SAMPLED_PICKS:
        return None
    rows = np.sort(pool.rng(len(pool.preselected)).choice(len(pool), DENSE_ROWS, replace=False))
    return rows if pool.candidates[rows].sum() >= k else None


def _kept(pool: Pool) -> np.ndarray:
    """The kept rows on the unit sphere; the others are not read for it."""
    return pool.vectors.take(pool.preselected).Z


def _bandwidth(pool: Pool, k: int, distances: np.ndarray, asked: float | str | None) -> float:
    if not (asked is None or asked == "adaptive" or (not isinstance(asked, str) and asked > 0)):
        raise CoresetError(f"bandwidth must be a positive number, 'adaptive' or None, got {asked!r}")
    if asked is not None and not isinstance(asked, str):
        return float(asked)
    sampled = distances.shape[0] < len(pool)
    usual = _sampled_distance(distances, k + len(pool.preselected)) if sampled else usual_distance(pool)
    if asked is None or len(pool.preselected) < 2:
        return usual
    labelled = _kept(pool)
    smallest = min(
        _smallest_positive(labelled[row : row + _BLOCK], labelled) for row in range(0, len(labelled), _BLOCK)
    )
    return float(np.clip(smallest, _ADAPTIVE[0] * usual, _ADAPTIVE[1] * usual))


def _sampled_distance(distances: np.ndarray, picks: int) -> float:
    """The median distance in the sample to the neighbour number m / picks, at least the 10th."""
    place = max(_NEIGHBORS, len(distances) // picks)
    return float(np.median([np.partition(row, place)[place] for row in distances]))


def _smallest_positive(a: np.ndarray, b: np.ndarray) -> float:
    distances = pairwise_distances(a, b)
    return float(distances[distances > 0].min(initial=np.inf))


def _covered_by(kept: np.ndarray, rows: np.ndarray, h: float) -> np.ndarray:
    """(m,) float32 similarity of each row to the nearest kept one."""
    nearest = np.full(len(rows), np.inf, dtype=np.float32)
    for start in range(0, len(kept), _BLOCK):
        np.minimum(nearest, pairwise_distances(rows, kept[start : start + _BLOCK]).min(axis=1), out=nearest)
    return gaussian(nearest / np.float32(h))
