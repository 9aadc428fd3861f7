"""Splits of a pool into parts that each look like the whole, without taking apart what belongs together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..vectors.kmeans import kmeans
from ..vectors.near_duplicates import groups_of_several, linked
from ..vectors.row_hash import seeded_order

#: Most clusters of each level.
_MOST_CLUSTERS = 1_000


@dataclass(frozen=True)
class Traits:
    """What parts are to have in the proportions of the pool: a level holds one value of every row.

    Attributes:
        levels: (l, n) int64 codes, e.g. classes and regions
    """

    levels: np.ndarray

    @classmethod
    def of(cls, unit: np.ndarray, labels: np.ndarray | None, smallest: float, seed: int) -> Traits:
        """Classes, and the regions of the embedding space, coarse and fine.

        Args:
            unit: (n, d) float32 unit-norm embeddings
            labels: (n,) class numbers, or None
            smallest: share of the smallest part; a fine region has about one row for it
            seed: of the regions

        Values of which that part would get less than half a row are taken as one, as cells of small expectation are
        where chi-square is computed: else all rows of rare classes would go to the largest part.
        """
        n = len(unit)
        fine = int(np.clip(round(n * smallest), 1, _MOST_CLUSTERS))
        levels = [np.zeros(n, dtype=np.int64)]
        levels += [kmeans(unit, count, seed=seed)[0] for count in sorted({max(1, round(fine**0.5)), fine})]
        levels += [] if labels is None else [labels]
        return cls(np.stack([_rare_as_one(level, 0.5 / smallest) for level in levels]))


def _rare_as_one(level: np.ndarray, least: float) -> np.ndarray:
    """A level with one value in place of all those that fewer rows have than ``least``."""
    return np.where(np.bincount(level)[level] < least, level.max() + 1, level)


def joined(groups: Sequence[np.ndarray]) -> np.ndarray:
    """(n,) what belongs together by any of several groupings, each (n,) int64.

    Examples:
        >>> joined([np.array([0, 0, 1, 2]), np.array([5, 6, 6, 7])]).tolist()
        [0, 0, 0, 1]
    """
    n = len(groups[0])
    first = [np.unique(group, return_index=True)[1][np.unique(group, return_inverse=True)[1]] for group in groups]
    return linked(n, np.tile(np.arange(n), len(first)), np.concatenate(first))


def split(unit: np.ndarray, together: np.ndarray, traits: Traits, fractions: np.ndarray, seed: int) -> np.ndarray:
    """Gives every row to a part.

    What belongs together is given as one, the largest first, to the part that lacks its traits most: where the sum over
    traits of ``(2 n + c) c / t`` is smallest, for n rows there, c rows to give and t rows wanted. For one trait and
    single rows that is Webster's apportionment; for several it is a greedy minimum of chi-square, in the manner of
    iterative stratification (Sechidis et al., ECML PKDD 2011), over regions too.

    Args:
        unit: (n, d) float32 embeddings; they order rows of equal standing, so that the order of the files does not
        together: (n,) int64 what belongs together
        traits: what parts are to have in proportion
        fractions: (p,) shares of the parts, which add up to 1
        seed: of the order of rows of equal standing

    Returns:
        (n,) int64 part of every row
    """
    tables = [np.bincount(level) for level in traits.levels]
    wanted = [table[None] * fractions[:, None] for table in tables]
    there = [np.zeros_like(table) for table in wanted]
    order = seeded_order(unit, seed)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    several = groups_of_several(together)
    single = np.flatnonzero(np.bincount(together)[together] == 1)
    atoms = sorted(several, key=lambda rows: (-len(rows), int(place[rows].min())))
    atoms += [np.array([row]) for row in single[np.argsort(place[single])].tolist()]
    part = np.empty(len(unit), dtype=np.int64)
    for rows in atoms:
        cost = np.zeros(len(fractions))
        counts = []
        for level, have, want in zip(traits.levels, there, wanted, strict=True):
            codes, count = np.unique(level[rows], return_counts=True)
            counts.append((codes, count))
            cost += ((2 * have[:, codes] + count) * count / want[:, codes]).sum(axis=1)
        chosen = int(np.argmin(cost))
        part[rows] = chosen
        for have, (codes, count) in zip(there, counts, strict=True):
            have[chosen, codes] += count
    return part
