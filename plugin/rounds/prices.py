"""Batches for a budget of minutes or money: labels that cost more or less than others."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..diagnostics.tables import number
from ..errors import CoresetError
from ..selection.costs import affordable
from .model import RoundModel

if TYPE_CHECKING:
    from ..selection.method import Selection


#: The value of ``cost`` that asks for the boxes that a detector expects.
BOXES = "boxes"


@dataclass(frozen=True)
class Prices:
    """What labels cost.

    Attributes:
        cost: (n,) float64 cost of every row's label; 1 in rows that cannot be asked for
        source: the field, or what stands for an array
        budget: what may be spent
        too_dear: (n,) bool, rows that could be asked for, but cost more than the whole budget
    """

    cost: np.ndarray
    source: str
    budget: float
    too_dear: np.ndarray

    @classmethod
    def of(cls, cost: np.ndarray, source: str, budget: float, candidates: np.ndarray) -> Prices:
        """Checks costs.

        Args:
            cost: (n,) costs, NaN where there is none
            source: the field, or what stands for an array
            budget: what may be spent
            candidates: (n,) bool, the rows that could be asked for; others need no cost

        Raises:
            CoresetError: if a candidate has no positive cost, or none can be paid
        """
        if np.shape(cost) != candidates.shape:
            raise CoresetError(f"cost must hold one number a row, {len(candidates):,} in all, got {np.shape(cost)}")
        bad = candidates & ~(np.isfinite(cost) & (cost > 0))
        if bad.any():
            raise CoresetError(
                f"cost: {bad.sum():,} of {candidates.sum():,} that could be asked for have no positive number in "
                f"'{source}'; give them one, or tag them to be skipped"
            )
        too_dear = candidates & (cost > budget)
        if candidates.any() and (too_dear == candidates).all():
            least = number(float(cost[candidates].min()))
            raise CoresetError(f"the cheapest label costs {least} in '{source}', more than the budget {number(budget)}")
        return cls(np.where(candidates, cost, 1.0), source, budget, too_dear)

    def pay(
        self, select: Callable[[int], tuple[Selection, np.ndarray]], candidates: np.ndarray, weighs: bool
    ) -> tuple[Selection, np.ndarray]:
        """Asks for rows until nothing more fits, or less is left of the budget than a typical label costs.

        Args:
            select: the selection of so many new rows, and these rows, first to label first
            candidates: (n,) bool, the rows that can be asked for and paid
            weighs: whether the selection weighs gain against cost: then rows that no longer fit tell that it is through

        Returns:
            the last selection, and the rows of it that the budget pays for, first to label first
        """
        n, usual = int(candidates.sum()), float(np.median(self.cost[candidates]))
        k = min(n, math.ceil(self.budget / usual))
        while True:
            selection, rows = select(k)
            batch = affordable(rows, self.cost, self.budget)
            left, others = self.budget - self.spent(batch), candidates.copy()
            others[batch] = False
            is_spent = left < usual and (not weighs or len(batch) < len(rows))
            if k == n or is_spent or not (self.cost[others] <= left).any():
                return selection, batch
            k = min(n, 2 * k)

    def less(self, rows: np.ndarray) -> Prices:
        """The same costs, with what is left of the budget after some rows were paid."""
        return replace(self, budget=self.budget - self.spent(rows))

    def spent(self, batch: np.ndarray) -> float:
        """What the labels of some rows cost."""
        return float(self.cost[batch].sum())


def boxes_to_draw(model: RoundModel) -> tuple[np.ndarray, str]:
    """What it costs to draw the boxes of every image.

    Args:
        model: a detector

    Returns:
        (n,) float64 boxes that it expects, one at least, since an image without boxes must be looked at too; and what
        this is called
    """
    assert model.boxes is not None
    return np.maximum(model.boxes.expected, 1), f"boxes of {model.boxes.source}"
