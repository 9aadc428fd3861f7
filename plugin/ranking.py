"""From embeddings to a ranking: every method of ``compute_coreset`` ends in one order of the rows."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .dataset.arguments import CONSTRAINTS
from .errors import CoresetError
from .progress import Report

logger = logging.getLogger(__name__)

#: Shares of the rows at which a run stores how much of its coreset another seed would keep.
_OVERLAP_SHARES = (0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)


@dataclass(frozen=True)
class Ranking:
    """What a method says about n rows.

    Attributes:
        rank: (n,) int64, 0 = first to keep, a permutation; -1 in rows that were not ranked
        columns: per-row figures to store next to the rank, e.g. ``score``, ``coverage``, ``redundancy``; (n,) float64,
            NaN in rows that were not ranked
        facts: JSON-able facts of the run, e.g. ``n_draws`` and ``reliability``
    """

    rank: np.ndarray
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


def rank_rows(
    matrix: np.ndarray,
    valid: np.ndarray,
    method: str,
    *,
    labels: Any = None,
    seed: int = 0,
    num_workers: int | None = None,
    progress: Report | None = None,
    k: Any = None,
    **method_kwargs: Any,
) -> Ranking:
    """Ranks rows with a method of the registry; ZCore and CLIP-powered selection without constraints by their scores.

    Args:
        matrix: (n, d) embeddings
        valid: (n,) bool, the rows that can be ranked
        method: a name from ``list_methods()``
        labels (None): (n,) labels, for methods that need them
        seed (0): the random seed, also of the order among equal scores
        num_workers (None): threads; the result does not depend on it
        progress (None): a function ``(fraction, message)``
        k (None): the largest budget needed; rows beyond it stay unranked. Methods whose selections are not nested need
            it, others rank all rows by default
        **method_kwargs: passed to the method

    Returns:
        a :class:`Ranking`

    Raises:
        CoresetError: if the method is unknown or refuses the data
    """
    from .selection.registry import get_method

    chosen = get_method(method)
    one_budget = chosen.one_budget(method_kwargs)
    constrained = k is not None or not set(CONSTRAINTS).isdisjoint(method_kwargs)
    if method == "zcore" and not constrained:
        return _rank_zcore(matrix, valid, seed, num_workers, progress, method_kwargs)
    if method == "clip_powered" and not (constrained or one_budget):
        return _rank_clip_powered(matrix, labels, seed, progress, method_kwargs)
    if k is None and (one_budget or not chosen.nested):
        named = f"'{method}' with {one_budget}" if one_budget else f"'{method}'"
        raise CoresetError(f"{named} chooses for one budget, not for all: pass the largest you need, e.g. k='10%'")
    selection = chosen.select(
        matrix,
        1.0 if k is None else k,  # a share counts what the constraints leave
        labels=labels,
        seed=seed,
        num_workers=num_workers,
        progress=progress,
        **method_kwargs,
    )
    rank = np.full(len(matrix), -1, dtype=np.int64)
    rank[selection.indices] = np.arange(len(selection.indices))
    columns = {} if selection.scores is None else {"score": selection.scores}
    return Ranking(rank, columns | selection.columns, dict(selection.details))


def rank_by_score(score: np.ndarray, seed: int) -> np.ndarray:
    """Ranks by descending score; equal scores in a seeded order, never in file order.

    Args:
        score: (n,) float, NaN = not ranked
        seed: the random seed of the order among equal scores

    Returns:
        (n,) int64 ranks from 0, -1 where the score is NaN
    """
    ranked = np.flatnonzero(~np.isnan(score))
    tie_break = np.random.default_rng(seed).permutation(len(ranked))
    order = ranked[np.lexsort((tie_break, -score[ranked]))]
    rank = np.full(len(score), -1, dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank


def _rank_zcore(
    matrix: np.ndarray,
    valid: np.ndarray,
    seed: int,
    num_workers: int | None,
    progress: Report | None,
    method_kwargs: dict[str, Any],
) -> Ranking:
    from .selection.methods.zcore.scores import zcore_scores

    scores = zcore_scores(matrix, seed=seed, num_workers=num_workers, progress=progress, **method_kwargs)
    columns = {"score": scores.score, "coverage": scores.coverage, "redundancy": scores.redundancy}
    facts: dict[str, Any] = {"n_draws": int(scores.n_draws), "draws_per_row": round(scores.n_draws / valid.sum(), 1)}
    if np.isfinite(scores.reliability):
        facts["reliability"] = float(scores.reliability)
        shares = [share for share in _OVERLAP_SHARES if round(share * valid.sum()) > 0]
        facts["expected_overlap"] = {f"{share:g}": scores.overlap_at(share) for share in shares} | {"1": 1.0}
    if scores.warning:
        logger.warning(scores.warning)
        facts["warning"] = scores.warning
    return Ranking(rank_by_score(scores.score, seed), columns, facts)


def _rank_clip_powered(
    matrix: np.ndarray, labels: Any, seed: int, progress: Report | None, method_kwargs: dict[str, Any]
) -> Ranking:
    from .selection.methods.clip_powered import check_optimizer, clip_powered_ranking, clip_powered_scores
    from .selection.registry import get_method

    known = [*get_method("clip_powered").parameters, "text_embeddings"]
    unknown = sorted(set(method_kwargs) - set(known))
    if unknown:
        raise CoresetError(f"clip_powered has no argument {unknown[0]!r}; it takes {', '.join(known)}")
    options = dict(method_kwargs)
    texts, balance = options.pop("text_embeddings"), options.pop("balance", "proportional")
    check_optimizer(options.pop("optimizer", "exact"))
    scores = clip_powered_scores(matrix, labels, texts, seed=seed, progress=progress, **options)
    rank = np.full(len(matrix), -1, dtype=np.int64)
    ranking = clip_powered_ranking(scores, balance)
    rank[ranking] = np.arange(len(ranking))
    columns = {name: getattr(scores, name) for name in ("score", "alignment", "diversity", "suspicion")}
    return Ranking(rank, columns, scores.facts | {"balance": balance})
