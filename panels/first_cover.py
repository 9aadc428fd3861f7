"""The budget at which each image becomes covered, and redundant: what the map shows at every budget at once.

A ranking keeps prefixes, so an image is covered at budget k exactly if the first rank within the coverage radius is
below k. One number an image therefore answers every position of the slider, in the browser and without a request.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..plugin.diagnostics.calibrate import coverage_radius, near_duplicate_distance
from ..plugin.diagnostics.points import Points

#: Larger than any budget.
NEVER = np.iinfo(np.uint32).max

#: The largest run measured in full: time grows with its square.
MAX_ROWS = 150_000

_BLOCK = 2_048


@dataclass(frozen=True)
class FirstCover:
    """First budgets, rows in rank order.

    Attributes:
        covered_at: (n,) uint32 smallest budget at which the row is kept or within ``radius`` of a kept row
        duplicate_at: (n,) uint32 smallest budget that keeps an earlier row within ``near_duplicate``; ``NEVER`` if none
        radius: distance within which an image counts as covered
        near_duplicate: distance within which two images are near-duplicates
    """

    covered_at: np.ndarray
    duplicate_at: np.ndarray
    radius: float
    near_duplicate: float

    def uncovered(self, k: int) -> np.ndarray:
        """Rows that budget k leaves uncovered."""
        return np.flatnonzero(self.covered_at > k)

    def duplicate_groups(self, k: int) -> list[np.ndarray]:
        """Groups of near-duplicates around a kept row, which comes first; the largest group first.

        Every row belongs to the group of the first row that it repeats, directly or through others.
        """
        leader = np.arange(len(self.duplicate_at))
        followers = np.flatnonzero(self.duplicate_at != NEVER)
        leader[followers] = self.duplicate_at[followers].astype(np.int64) - 1
        while not np.array_equal(leader, leader[leader]):
            leader = leader[leader]
        followers = followers[leader[followers] < k]
        by_leader = followers[np.argsort(leader[followers], kind="stable")]
        roots, start = np.unique(leader[by_leader], return_index=True)
        members = np.split(by_leader, start[1:]) if len(roots) else []
        groups = [np.concatenate([[root], rows]) for root, rows in zip(roots, members, strict=True)]
        return sorted(groups, key=len, reverse=True)


def first_cover(points: Points, radius: float | None = None, near_duplicate: float | None = None) -> FirstCover:
    """Finds the first budgets of a ranking.

    Args:
        points: the embeddings, rows in rank order
        radius (None): coverage radius; calibrated from the data by default
        near_duplicate (None): near-duplicate distance; calibrated by default

    Returns:
        a :class:`FirstCover`
    """
    tau = near_duplicate_distance(points) if near_duplicate is None else near_duplicate
    delta = coverage_radius(points, near_duplicate=tau) if radius is None else radius
    n = points.n
    # Rows whose sample was deleted since have no embedding: nothing covers them and they cover nothing.
    usable = np.zeros(n, dtype=bool)
    usable[points.rows] = True
    covered = _first_within(points, delta, usable)
    duplicate = _first_within(points, tau, usable)
    own = np.arange(1, n + 1, dtype=np.uint32)
    return FirstCover(np.minimum(covered, own), duplicate, float(delta), float(tau))


def _first_within(points: Points, radius: float, usable: np.ndarray) -> np.ndarray:
    """(n,) smallest budget that keeps an earlier row within the radius; ``NEVER`` if none.

    Earlier rows are taken block by block, and rows that found theirs leave the search.
    """
    n = points.n
    found: np.ndarray = np.full(n, NEVER, dtype=np.uint32)
    rows = points.rows
    dtype = points.work_dtype(len(rows), len(rows))
    rounding = 1e-12 if dtype is np.float64 else 1e-6
    for start in range(0, n, _BLOCK):
        earlier = np.arange(start, min(start + _BLOCK, n))
        earlier = earlier[usable[earlier]]
        searching = rows[(rows > start) & (found[rows] == NEVER)]
        if not len(searching) or not len(earlier):
            continue
        right = points.block(earlier, dtype)
        half = np.einsum("ij,ij->i", right, right)[:, None] / 2
        for begin in range(0, len(searching), 8 * _BLOCK):
            part = searching[begin : begin + 8 * _BLOCK]
            left = points.block(part, dtype)
            enough = (np.einsum("ij,ij->i", left, left) - radius**2 - rounding) / 2
            near = right @ left.T - half >= enough
            if part[0] <= earlier[-1]:
                near &= earlier[:, None] < part
            hit = near.any(axis=0)
            found[part[hit]] = earlier[near[:, hit].argmax(axis=0)] + 1
    return found
