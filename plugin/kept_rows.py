"""The rows of a run that a budget keeps, of those that still exist."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import CoresetError

if TYPE_CHECKING:
    from .results import CoresetResults


def kept_parts(results: CoresetResults, budget: Any, new: Any) -> list[np.ndarray]:
    """The rows that a budget keeps of those before the updates that ``new`` speaks of, and of each of these."""
    from .selection.budget import parse_budget, resolve_budget

    alive = results.alive()
    if new is None:
        return [kept_rows(results, budget, alive)]
    asked = list(new) if isinstance(new, list | tuple) else [new]
    updates = results.config.updates[-len(asked) :] if asked else []
    if not asked or len(updates) < len(asked):
        raise CoresetError(
            f"new= gives {len(asked)} budgets, but run '{results.key}' was updated {len(results.config.updates)} "
            "times; give one for each of the last updates"
        )
    parts = [kept_rows(results, budget, alive & (results.rank < updates[0]["first_rank"]))]
    order = results.ranking
    for one, update in zip(asked, updates, strict=True):
        if not isinstance(parse_budget(one), int | float):
            raise CoresetError(f"new= takes a count or a share of the rows that an update added, got {one!r}")
        ranks = results.rank[order] - update["first_rank"]
        added = order[(ranks >= 0) & (ranks < update["added"]) & alive[order]]
        parts.append(added[: resolve_budget(one, len(added), results.noun)] if len(added) else added)
    return parts


def kept_rows(results: CoresetResults, budget: Any, alive: np.ndarray) -> np.ndarray:
    """The rows that a budget keeps of some rows.

    Args:
        results: the run
        budget: see :meth:`.CoresetResults.budget`
        alive: (n,) bool, the rows that count

    Returns:
        (k,) int64 row numbers, first to keep first

    Raises:
        CoresetError: if there is none, or the budget cannot be met
    """
    from .selection.budget import CoverageBudget, parse_budget, ranking_budget, resolve_budget

    order = results.ranking
    order = order[alive[order]]
    if len(order) == 0:
        raise CoresetError(f"all {len(results):,} {results.noun} that run '{results.key}' ranked were deleted")
    parsed = parse_budget(budget)
    if isinstance(parsed, int | float):
        return order[: resolve_budget(parsed, len(order), results.noun)]
    if isinstance(parsed, CoverageBudget) and parsed.radius is None:
        if alive.all():
            return order[: results.curve().smallest_budget_for(parsed.share)]
        parsed = CoverageBudget(parsed.share, results.curve().coverage_radius)  # the curve counts what is gone
    embeddings = np.where(alive[:, None], results.embeddings(), np.nan)
    order = order[np.isfinite(embeddings[order]).all(axis=1)]
    return order[: ranking_budget(order, embeddings, parsed, near_copies=results.near_copies, seed=results.config.seed)]
