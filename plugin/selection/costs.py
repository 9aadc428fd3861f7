"""Budgets of minutes or money instead of images."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import CoresetError


def check_costs(cost: np.ndarray | None, budget: Any) -> np.ndarray | None:
    """Costs of a method as they are, if each is a positive number, and so is what may be spent of them.

    Raises:
        CoresetError: if one is not, or there is a budget without costs
    """
    if budget is not None and cost is None:
        raise CoresetError("cost_budget= is spent on cost=, a positive number a row; give both")
    if budget is not None and (
        isinstance(budget, bool) or not isinstance(budget, int | float | np.number) or not budget > 0
    ):
        raise CoresetError(f"cost_budget must be a positive number in the unit of cost=, got {budget!r}")
    return None if cost is None else _positive(cost)


def _positive(cost: np.ndarray) -> np.ndarray:
    bad = ~(np.isfinite(cost) & (cost > 0))
    if bad.any():
        raise CoresetError(f"cost: {bad.sum()} of {len(cost)} values are not positive; a row must cost something")
    return cost


def affordable(ranking: np.ndarray, cost: Any, budget: float) -> np.ndarray:
    """The rows of a ranking that a budget pays for; one that does not fit is passed over, and cheaper ones follow.

    Of a ranking that was made for the same budget, as by ``uherding`` with ``cost=`` and ``cost_budget=``, this is the
    greedy answer to the knapsack problem.

    Args:
        ranking: (k,) int64 rows, first to keep first
        cost: (n,) positive cost of every row
        budget: what may be spent

    Returns:
        (m,) int64 rows in the order of the ranking, whose costs add up to at most the budget

    Raises:
        CoresetError: if a cost is not positive

    Examples:
        >>> affordable(np.array([2, 0, 1]), [1.0, 2.0, 5.0], 6.5).tolist()
        [2, 0]
    """
    prices = _positive(np.asarray(cost, dtype=np.float64))
    left, rows = float(budget), []
    for row in ranking.tolist():
        if prices[row] <= left:
            left -= prices[row]
            rows.append(row)
    return np.array(rows, dtype=np.int64)
