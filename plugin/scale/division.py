"""How a selection is divided among cells."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from ..selection.methods.auto.settings import DEFAULTS
from .copies import Joined
from .turns import merge_turns, turn_counts

_NO_ROWS = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Division:
    """What each cell gives.

    Attributes:
        sizes: (c,) int64 rows of every cell
        first: (c,) int64 rows of every cell that come before the others of any cell, which are further copies
        shares: (c,) float64 numbers in whose proportion these take turns
        away: int64 rows, ascending, that come last in their cells, because rows of others represent them
        given: int64 rows that are kept before any turn, in their order
        taken: (c,) int64 of these in every cell, or None
    """

    sizes: np.ndarray
    first: np.ndarray
    shares: np.ndarray
    away: np.ndarray
    given: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    taken: np.ndarray | None = None

    def after(self, given: np.ndarray, taken: np.ndarray) -> Division:
        """A division in which some rows are kept already."""
        first, away = np.maximum(self.first, taken), np.setdiff1d(self.away, given)
        return replace(self, first=first, away=away, given=given, taken=taken)

    def by_group(self, sizes: np.ndarray, first: np.ndarray, taken: np.ndarray) -> list[Division]:
        """The division of each group of rows: a cell counts by what it has of the group.

        Args:
            sizes: (c, g) int64 rows of every cell and group
            first: (c, g) int64 of these that come before the others
            taken: (c, g) int64 of these that are kept before any turn
        """
        first = np.maximum(first, taken)
        shares = self.shares[:, None] * first / np.maximum(first.sum(axis=1, keepdims=True), 1)
        columns = zip(sizes.T, first.T, shares.T, taken.T, strict=True)
        return [replace(self, sizes=n, first=m, shares=share, taken=t) for n, m, share, t in columns]

    @property
    def regions(self) -> np.ndarray:
        """(c,) int64 regions of every cell, which are as many in all as `auto` makes of a pool on one machine."""
        n = max(int(self.first.sum()), 1)
        return np.maximum(1, np.rint(min(n**0.5, DEFAULTS.max_clusters) * self.first / n)).astype(np.int64)

    def counts(self, k: int) -> np.ndarray:
        """(c,) int64 rows that every cell gives to the first k."""
        others = k - int(self.first.sum())
        if others <= 0:
            return turn_counts(self.first, k, self.shares, self.taken)
        return self.first + turn_counts(self.sizes - self.first, others)

    def merge(self, cells: np.ndarray, places: np.ndarray) -> np.ndarray:
        """(m,) int64 the rows of all cells in order.

        Args:
            cells: (m,) int64 cell of every row
            places: (m,) int64 place of every row in the order of its cell, from 0
        """
        others = places >= self.first[cells]
        early, late = np.flatnonzero(~others), np.flatnonzero(others)
        early = early[merge_turns(places[early], cells[early], self.shares)]
        left = self.sizes - self.first
        return np.concatenate([early, late[merge_turns((places - self.first[cells])[late], cells[late], left)]])


def divide(
    sizes: np.ndarray, worth: np.ndarray, joined: Joined | None, deduplicate: bool, by_zcore: np.ndarray | None
) -> Division:
    """Divides a selection among cells: by their rows, by their groups of near-copies, or as `auto` values them.

    Args:
        sizes: (c,) int64 rows of every cell
        worth: (c,) float64 how much the rows of every cell count
        joined: the near-copies, of which one row comes first, or None where none were looked for
        deduplicate: whether a group counts as one row, whatever it stands for
        by_zcore: (c,) int64 rows of every cell that ZCore would keep, or None where it is not trusted

    Returns:
        the division
    """
    first, shares, away = sizes, worth, _NO_ROWS
    if joined is not None:
        first, away = joined.groups, joined.away
        shares = joined.groups.astype(float) if deduplicate else joined.value
    if by_zcore is not None:
        share = DEFAULTS.zcore_share
        shares = (1 - share) * shares / shares.sum() + share * by_zcore / by_zcore.sum()
    return Division(sizes, first, shares, away)
