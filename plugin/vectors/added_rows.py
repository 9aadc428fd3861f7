"""Rows that are added to a pool: which are new, and which repeat a row that is there or comes before them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from .copy_model import CopyModel
from .fingerprints import agreement
from .near_copies import EQUAL, LINK, NEIGHBORS, STAY
from .nearest import nearest_first
from .neighbors import nearest_in, pairwise_distances

#: What an added row can be.
NEW, LOOK_ALIKE, NEAR_COPY = "new", "look-alike", "near-copy"

#: Half precision moves a vector of unit length by no more.
HALF_PRECISION = 2**-11

#: Distances between added rows that are held at once.
_TILE = 8 * 1024**2

#: Told of two places whether people said that they are no copies.
AreDistinct = Callable[[int, int], bool]


@dataclass(frozen=True)
class Neighborhood:
    """The added rows and what lies around them; rows are numbered, those of the pool first, then the added ones.

    Attributes:
        unit: (q, d) float32 unit-norm embeddings of some rows of the pool and of all added ones
        n_pool: how many of them are of the pool
        left: (p,) int64 added rows
        right: (p,) int64 rows that are near them: of the pool, or added before
        distance: (p,) float32
    """

    unit: np.ndarray
    n_pool: int
    left: np.ndarray
    right: np.ndarray
    distance: np.ndarray

    @classmethod
    def of(
        cls,
        pool: np.ndarray,
        added: np.ndarray,
        heads: np.ndarray,
        also: np.ndarray | None = None,
        exactly: Callable[[np.ndarray], np.ndarray] | None = None,
        radius: float = 0.0,
        num_workers: int | None = None,
    ) -> tuple[Neighborhood, np.ndarray, np.ndarray]:
        """Looks around added rows; which rows are near is told by the pool as it is given.

        Args:
            pool: (n, d) float32 unit-norm embeddings of the rows that are there, exact or rounded
            added: (m, d) of the others, at least one
            heads: (n,) int64 the row that represents the group of every row; those of neighbours are included
            also (None): (e,) int64 further rows of the pool to begin with
            exactly (None): gives the exact embeddings of some rows of a pool that is rounded to half precision
            radius (0.0): distance up to which distances to a rounded pool are to be exact, beside those to the nearest
            num_workers (None): threads

        Returns:
            a tuple of the neighbourhood, the (n_pool,) rows of the pool that it begins with, ascending, and for each
            added row the place in it of the nearest row of the pool
        """
        from .product_kernel import exact_distances

        among, far = nearest_in(added, pool, NEIGHBORS, num_workers=num_workers)
        around = among.ravel() if also is None else np.r_[among.ravel(), also]
        rows = np.unique(np.r_[around, heads[around]])
        unit, place = pool[rows], np.searchsorted(rows, among)
        if exactly is not None:
            sought = np.unique(place[far <= np.maximum(far[:, :1], radius) + 2 * HALF_PRECISION])
            unit[sought] = exactly(rows[sought])
        place, far = nearest_first(place, exact_distances(added, unit, place), place.shape[1])
        left, right, between = _nearest_before(added)
        near = cls(
            unit=np.concatenate([unit, added]),
            n_pool=len(rows),
            left=len(rows) + np.concatenate([np.repeat(np.arange(len(added)), among.shape[1]), left]),
            right=np.concatenate([place.ravel(), len(rows) + right]),
            distance=np.concatenate([far.ravel(), between]),
        )
        return near, rows, place[:, 0]

    @property
    def n_added(self) -> int:
        """The number of added rows."""
        return len(self.unit) - self.n_pool

    @property
    def added(self) -> np.ndarray:
        """(m, d) unit-norm embeddings of the added rows."""
        return self.unit[self.n_pool :]

    @property
    def of_pool(self) -> tuple[np.ndarray, np.ndarray]:
        """(m, k) rows of the pool that are nearest to each added row, nearest first, and their (m, k) distances."""
        found = self.right < self.n_pool
        return self.right[found].reshape(self.n_added, -1), self.distance[found].reshape(self.n_added, -1)

    @property
    def to_pool(self) -> np.ndarray:
        """(m,) float32 distances of the added rows to the nearest row of the pool."""
        return self.of_pool[1][:, 0]


@dataclass(frozen=True)
class Prints:
    """Fingerprints, and what they say of pairs.

    Attributes:
        values: (q, 256) uint8; anything in rows without one
        known: (q,) bool
        model: of the pool, or None if there is none; it is read from the added rows' pairs then
        altered: agreement of altered copies, see :func:`.altered_agreement`
        are_distinct: what people said
        in_order: by what says so, (p, 2) pairs of an added row and one before it of which one was taken right after the
            other, and the pool's model for such pairs, or None
    """

    values: np.ndarray
    known: np.ndarray
    model: CopyModel | None
    altered: np.ndarray
    are_distinct: AreDistinct
    in_order: Mapping[str, tuple[np.ndarray, CopyModel | None]] = field(default_factory=dict)

    def told(self, left: np.ndarray, right: np.ndarray, model: CopyModel | None) -> tuple[np.ndarray, CopyModel | None]:
        """The probability that pairs are near-copies, and the model that says it."""
        agrees = agreement(self.values, left, right)
        model = model.among(agrees) if model else CopyModel.fit(agrees, self.altered)
        return np.zeros(len(left)) if model is None else model.probability(agrees), model


def _nearest_before(unit: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every row and the nearest of those before it: (p,) rows, (p,) rows before them, and (p,) distances."""
    found = []
    step = max(1, _TILE // len(unit))
    for start in range(0, len(unit), step):
        stop = min(start + step, len(unit))
        distance = pairwise_distances(unit[start:stop], unit[:stop])
        distance[np.arange(stop) >= np.arange(start, stop)[:, None]] = np.inf
        k = min(NEIGHBORS, stop)
        nearest = np.argpartition(distance, k - 1, axis=1)[:, :k]
        far = np.take_along_axis(distance, nearest, axis=1)
        i, j = np.nonzero(np.isfinite(far))
        found.append((start + i, nearest[i, j], far[i, j]))
    left, right, distance = (np.concatenate(part) for part in zip(*found, strict=True))
    return left, right, distance


def kinds_of_added(near: Neighborhood, radius: float, copy_of: np.ndarray) -> np.ndarray:
    """What each added row is.

    A row is compared with the pool and with what was added before it, so adding rows in several steps tells the same.

    Args:
        near: the rows
        radius: near-duplicate radius of the pool
        copy_of: (m,) int64 the row of which each is a near-copy, -1 for none

    Returns:
        (m,) str: ``"near-copy"``, ``"look-alike"`` (within the radius of another row) or ``"new"``
    """
    kinds = np.full(near.n_added, NEW, dtype="U10")
    kinds[near.left[near.distance <= radius] - near.n_pool] = LOOK_ALIKE
    kinds[copy_of >= 0] = NEAR_COPY
    return kinds


def copies_among_added(near: Neighborhood, prints: Prints, first: np.ndarray) -> np.ndarray:
    """Finds of which row each added row is a near-copy; it then belongs to that row's group.

    As in :func:`.near_copies`, neighbours are compared, and rows that follow each other in order; a row belongs to a
    group if it is linked to a member and resembles the row that represents it, so that a pan does not become one group
    over the months.

    Args:
        near: the rows
        prints: their fingerprints
        first: (n_pool,) the row that represents the group of every row of the pool

    Returns:
        (m,) int64 rows, -1 for those that are no near-copy
    """
    known = prints.known[near.left] & prints.known[near.right]
    left, right = near.left[known], near.right[known]
    probability, model = prints.told(left, right, prints.model)
    textured = (prints.values != prints.values[:, :1]).any(axis=1)  # images of one colour tell nothing
    same = (prints.values[left] == prints.values[right]).all(axis=1) & textured[left]
    probability[same & (near.distance[known] <= EQUAL)] = 1.0
    for pairs, of_such in prints.in_order.values():
        after, before = pairs[prints.known[pairs].all(axis=1)].T
        left, right = np.r_[left, after], np.r_[right, before]
        probability = np.r_[probability, prints.told(after, before, of_such)[0]]
    head = np.r_[first, np.arange(near.n_pool, len(near.unit))]
    found = np.full(near.n_added, -1, dtype=np.int64)
    sure = np.flatnonzero(probability >= LINK)
    for link in sure[np.lexsort((-probability[sure], left[sure]))].tolist():
        row, other = int(left[link]), int(right[link])
        if found[row - near.n_pool] >= 0 or prints.are_distinct(row, other):
            continue
        leader = int(head[other])
        if leader != other and probability[link] < 1 and not _resembles(prints, model, row, leader):
            continue
        found[row - near.n_pool], head[row] = other, leader
    return found


def _resembles(prints: Prints, model: CopyModel | None, row: int, other: int) -> bool:
    if model is None or not prints.known[other] or prints.are_distinct(row, other):
        return False
    return bool(model.probability(agreement(prints.values, np.array([row]), np.array([other])))[0] >= STAY)
