"""ZCore: zero-shot coreset scores."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...budget import parse_size
from ...method import Option, register
from ...pool import Picks, Pool, all_alike, top, weighted_ranks
from .scores import ZCoreScores, zcore_scores

logger = logging.getLogger(__name__)

COLUMNS = {
    "score": "how much it is worth keeping: its coverage less its redundancy",
    "coverage": "how much of the data it stands for",
    "redundancy": "how much others repeat it",
}
OPTIONS = {
    "budgets": Option(
        "Settled at",
        reads=parse_size,
        description="Optional: what will be kept, e.g. 500, 10%; stops once another seed would keep nearly the same",
    ),
    "n_draws": Option(
        "Draws",
        at_most=100_000_000,
        description="By default as many as stability needs",
        advanced=True,
        unless="budgets",
    ),
}

#: Shares of the pool at which a run says how much of its coreset another seed would keep.
_OVERLAP_SHARES = (0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)


@register(
    "zcore",
    "ZCore: coverage minus redundancy over random subspaces; drops near-duplicates",
    passes_to=(zcore_scores,),
    columns=COLUMNS,
    scored=True,
    options=OPTIONS,
)
def zcore(pool: Pool, k: int, **parameters: Any) -> Picks:
    """Keeps the highest ZCore scores (Griffin et al., "Zero-Shot Coreset Selection", WACV 2026).

    Args:
        pool: the problem
        k: rows to pick
        **parameters: passed to :func:`.scores.zcore_scores`, e.g. ``n_draws``, ``budgets`` or ``time_budget``

    Returns:
        the picks, with the ZCore scores; the details say how much another seed would keep too

    References:
        Griffin et al.: Zero-Shot Coreset Selection. WACV 2026.
    """
    score, columns, details = score_pool(pool, parameters, expect_overlap=True)
    picks = top(pool, k, weighted_ranks(score, pool.weights))
    return Picks(picks.order, score, details, columns)


def score_pool(
    pool: Pool, parameters: Mapping[str, Any], expect_overlap: bool = False
) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, Any]]:
    """ZCore scores of a pool, read from the matrix in blocks and in its own order.

    Args:
        pool: the problem
        parameters: passed to :func:`.scores.zcore_scores`
        expect_overlap (False): whether to estimate how much of a coreset of the highest scores another seed would keep

    Returns:
        a tuple of (n,) float64 scores, the other columns, and facts about the run
    """
    vectors = pool.vectors
    used = vectors.used
    if all_alike(vectors.matrix, used):  # one row, or copies of one: nothing to tell apart
        return np.zeros(len(pool)), {name: np.zeros(len(pool)) for name in ("coverage", "redundancy")}, {}
    with np.errstate(over="ignore"):  # in rows that are not used
        matrix = vectors.matrix.astype(np.float32, copy=False)  # as every method sees them
    found = zcore_scores(
        matrix, usable=used, seed=pool.seed, num_workers=pool.num_workers, progress=pool.report, **parameters
    )
    columns = {"coverage": found.coverage[vectors.rows], "redundancy": found.redundancy[vectors.rows]}
    return found.score[vectors.rows], columns, _facts(found, len(pool), expect_overlap)


def _facts(found: ZCoreScores, n: int, expect_overlap: bool) -> dict[str, Any]:
    facts: dict[str, Any] = {"n_draws": int(found.n_draws), "draws_per_row": round(found.n_draws / n, 1)}
    if np.isfinite(found.reliability):
        facts["reliability"] = float(found.reliability)
        if expect_overlap:
            keeps = {f"{share:g}": round(share * n) for share in _OVERLAP_SHARES if round(share * n) > 0}
            distinct = sorted(set(keeps.values()))
            overlap = dict(zip(distinct, found.overlaps(distinct), strict=True))
            facts["expected_overlap"] = {share: overlap[keep] for share, keep in keeps.items()} | {"1": 1.0}
    if found.goal is not None:
        asked = {"measure": found.goal.name, "target": found.goal.target, "reached": found.reached}
        facts["agreement"] = asked | ({"kept": list(found.goal.keeps)} if found.goal.keeps else {})
    if found.warning:
        logger.warning(found.warning)
        facts["warning"] = found.warning
    return facts
