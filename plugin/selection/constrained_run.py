"""One method on one prepared pool: seed sets, quotas and rows put last are obeyed around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..errors import CoresetError
from ..vectors.row_sets import row_mask
from .apportion import take_turns
from .columns import numbers
from .constraints import PreparedPool
from .pool import Picks
from .quotas import rule_shares

_NO_ROWS = np.empty(0, dtype=np.int64)


class ConstrainedRun:
    """One method on one prepared pool; collects the method's columns and facts.

    Args:
        prepared: the pool
        choose: the method with its parameters, ``(pool, k, **per_row) -> Picks``
        scored: True if the picks are the top of a score that does not depend on k; it is computed once then
        per_row: parameters of the method that hold one number for each of the rows given
    """

    def __init__(
        self, prepared: PreparedPool, choose: Callable[..., Picks], scored: bool, per_row: Mapping[str, Any]
    ) -> None:
        n, rows = len(prepared.pool.vectors.matrix), prepared.pool.vectors.rows
        self.prepared = prepared
        self.choose = choose
        self.scored = scored
        self.per_row = {name: numbers(values, n, name)[rows] for name, values in per_row.items()}
        self.details: dict[str, Any] = {}
        self._by_score: np.ndarray | None = None
        self._columns: dict[str, np.ndarray] = {}

    def select(self, k: int) -> np.ndarray:
        """(k,) int64 rows, the preselected ones first.

        Args:
            k: the budget, the preselected rows included, at most ``prepared.feasible``

        Raises:
            CoresetError: if the budget or the quotas cannot be met
        """
        prepared = self.prepared
        if k < len(prepared.preselected):
            raise CoresetError(
                f"budget {k} is smaller than the {len(prepared.preselected)} preselected rows; give at least that"
            )
        added = self.pool_rows(k - prepared.unseen)
        return np.concatenate([prepared.preselected, prepared.pool.vectors.rows[added]])

    def pool_rows(self, k: int) -> np.ndarray:
        """Pool rows to add to the preselected ones, so that they are k together; first to keep first."""
        prepared, pool = self.prepared, self.prepared.pool
        quota, min_per_group = prepared.constraints.quota, prepared.constraints.min_per_group
        everything = np.arange(len(pool))
        if prepared.groups is None:
            return self._pick(everything, pool.preselected, k - len(pool.preselected))
        if quota is None and min_per_group:
            least = self._pick_by_group(prepared.least_group_counts(k))
            selected = np.concatenate([pool.preselected, least])
            return np.concatenate([least, self._pick(everything, selected, k - len(selected))])
        counts = prepared.group_counts(quota or "proportional", k)
        names = map(str, prepared.group_names)
        self.details["quota"] = dict(zip(names, counts.tolist(), strict=True))
        if k == len(pool) and isinstance(quota, str):  # a ranking: every budget is to be divided by the rule
            least = self._pick_by_group(prepared.least_group_counts(k))
            shares = rule_shares(quota, counts)
            order = self._pick_by_group(counts, shares)
            return np.concatenate([least, order[~row_mask(least, k)[order]]])
        return self._pick_by_group(counts)

    def columns(self, names: Any) -> dict[str, np.ndarray]:
        """The method's figures of all rows given, (n,) float64; NaN in rows without."""
        found = {}
        for name in (*names, *(name for name in self._columns if name not in names)):
            found[name] = np.full(len(self.prepared.pool.vectors.matrix), np.nan)
            if name in self._columns:
                found[name][self.prepared.pool.vectors.rows] = self._columns[name]
        return found

    def _pick_by_group(self, counts: np.ndarray, shares: np.ndarray | None = None) -> np.ndarray:
        """Pool rows until every group has its count, the groups taking turns: by shares, or by their counts."""
        groups, preselected = self.prepared.groups, self.prepared.pool.preselected
        assert groups is not None
        taken = np.bincount(groups[preselected], minlength=len(counts))
        picked = [
            self._pick(
                np.flatnonzero(groups == group), preselected[groups[preselected] == group], counts[group] - taken[group]
            )
            for group in np.flatnonzero(counts > taken)
        ]
        turns = np.maximum(counts, 1) if shares is None else shares
        return take_turns(np.concatenate([_NO_ROWS, *picked]), groups, turns, taken)

    def _pick(self, rows: np.ndarray, selected: np.ndarray, k: int) -> np.ndarray:
        """K more of the given pool rows: by the method while it has any to choose from, then those put last."""
        n = len(self.prepared.pool)
        is_selected = row_mask(selected, n)
        choice = rows[~self.prepared.put_last[rows] | is_selected[rows]]
        picked = self._pick_by_method(choice, selected, min(k, len(choice) - len(selected)))
        if len(picked) == k:
            return picked
        last = self.prepared.last
        last = last[row_mask(rows, n)[last] & ~is_selected[last]]
        return np.concatenate([picked, last[: k - len(picked)]])

    def _pick_by_method(self, rows: np.ndarray, selected: np.ndarray, k: int) -> np.ndarray:
        """K more of the given pool rows by the method alone."""
        if k <= 0:
            return _NO_ROWS
        if self.scored:
            order = self._order_by_score()
            allowed = row_mask(rows, len(order))
            allowed[selected] = False
            return order[allowed[order]][:k]
        per_row = {name: column[rows] for name, column in self.per_row.items()}
        picks = self.choose(self.prepared.pool.subset(rows, selected), k, **per_row)
        self._collect(picks, rows)
        return rows[picks.order]

    def _order_by_score(self) -> np.ndarray:
        """All pool rows by score; computed once, since scores do not depend on quotas or seed sets."""
        if self._by_score is None:
            rows = np.arange(len(self.prepared.pool))
            picks = self.choose(self.prepared.pool.subset(rows, _NO_ROWS), len(rows), **self.per_row)
            self._collect(picks, rows)
            self._by_score = picks.order
        return self._by_score

    def _collect(self, picks: Picks, rows: np.ndarray) -> None:
        self.details |= picks.details
        scores = {} if picks.scores is None else {"score": picks.scores}
        for name, values in (scores | picks.columns).items():
            self._columns.setdefault(name, np.full(len(self.prepared.pool), np.nan))[rows] = values
