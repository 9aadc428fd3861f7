"""Uncertainty sampling: what the model is least certain of."""

from __future__ import annotations

import numpy as np

from ...errors import CoresetError
from ...vectors.kmeans import central_rows
from ..method import register
from ..pool import Picks, Pool, weighted_ranks


@register(
    "margin",
    "Uncertainty sampling: what a model is least certain of first; for later rounds of many labels",
    needs_predictions=True,
    columns={"score": "how uncertain the model is of it; the higher, the earlier it is asked for"},
)
def margin(
    pool: Pool,
    k: int,
    measure: str | None = None,
    stochastic: float | None = None,
    diversify: int | None = None,
    skip_most_uncertain: float = 0.0,
) -> Picks:
    """Ranks by a measure of uncertainty; the margin of the best two classes is called breaking ties (Luo et al., 2005).

    Equal values come in the pool's seeded order. Weights multiply the uncertainty.

    Args:
        pool: the problem, with predictions
        k: rows to pick
        measure (None): see :func:`.predictions.uncertainty`; by default the best that the predictions allow
        stochastic (None): beta: ranks by ``log u + gumbel / beta`` instead (Kirsch et al., TMLR 2023); 1 draws in
            proportion to the uncertainty, large values are as without
        diversify (None): clusters the ``diversify * k`` most uncertain rows into k and picks the row nearest to each
            center (after Zhdanov, 2019); then selections are not nested
        skip_most_uncertain (0.0): share of the rows, the most uncertain ones, that comes last, because images that no
            model can learn are among them (Karamcheti et al., ACL 2021)

    Returns:
        the picks, with the uncertainty as scores

    References:
        Luo et al.: Active Learning to Recognize Multiple Types of Plankton. JMLR 2005.
    """
    assert pool.predictions is not None
    if not 0 <= skip_most_uncertain < 1:
        raise CoresetError(f"skip_most_uncertain must be a share in [0, 1), got {skip_most_uncertain!r}")
    u = pool.uncertainty(measure)
    preference = weighted_ranks(u, pool.weights) if stochastic is None else _drawn(pool, u, stochastic)
    last = np.argsort(-u, kind="stable")[: int(skip_most_uncertain * len(pool))]
    preference = np.where(np.isin(np.arange(len(pool)), last), -np.inf, preference)
    order = np.argsort(-preference, kind="stable")
    order = order[pool.candidates[order]]
    if diversify is not None:
        order = _spread(pool, order, k, diversify)
    details = {
        "measure": measure or pool.predictions.default_measure,
        "equally_uncertain": bool(np.ptp(u[pool.candidates]) == 0) if pool.candidates.any() else False,
    }
    return Picks(order[:k], u, details)


def _drawn(pool: Pool, u: np.ndarray, beta: float) -> np.ndarray:
    """(n,) the preference with noise."""
    if not beta > 0 or u.min() < 0:
        raise CoresetError(
            f"stochastic={beta!r}: draws need a positive number, and a measure of uncertainty that is never negative"
        )
    with np.errstate(divide="ignore"):
        return np.log(u * pool.weights) + pool.rng().gumbel(size=len(pool)) / beta


def _spread(pool: Pool, order: np.ndarray, k: int, diversify: int) -> np.ndarray:
    """The central rows of k clusters of the first rows, before all others; the order among them stays."""
    shortlist = order[: int(diversify) * k]
    chosen = np.sort(central_rows(pool.Z[shortlist], k, seed=pool.seed, weights=pool.weights[shortlist]))
    return np.concatenate([shortlist[chosen], np.delete(order, chosen)])
