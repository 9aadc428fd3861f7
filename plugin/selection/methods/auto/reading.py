"""What `auto` decides for a pool as a whole, so that parts of a pool too large for one machine follow it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ....vectors.kmeans import nearest_center
from ....vectors.near_duplicates import near_duplicates
from ...pool import GRAPH_NEIGHBORS, Pool, weighted_ranks
from .regions import find_regions, region_masses, region_shares
from .settings import DEFAULTS, AutoSettings
from .zcore_trust import ZCoreRanking, judged_zcore


@dataclass(frozen=True)
class Reading:
    """What some rows tell of their pool.

    Attributes:
        radius: near-duplicate radius
        clear: True if there are bursts
        trusted: whether ZCore's first picks stand for the pool
        centers: (r, d) float32 centers of regions
        worth: (r,) float64 how much images of a region count: its share over that of its images
    """

    radius: float
    clear: bool
    trusted: bool
    centers: np.ndarray
    worth: np.ndarray

    def worth_of(self, Z: np.ndarray) -> np.ndarray:
        """(n,) float64 how much rows count: as those of the region whose center is nearest."""
        return self.worth[nearest_center(Z, self.centers)[0]]


class Whole(NamedTuple):
    """What a part of a pool follows.

    Attributes:
        reading: what was read from the pool
        scores: (N,) ZCore's scores of the rows of the part, as given; None where it is not trusted
    """

    reading: Reading
    scores: np.ndarray | None

    def ranking(self, pool: Pool) -> ZCoreRanking:
        """ZCore's view of a pool, as far as it is followed."""
        none = np.zeros(len(pool))
        if self.scores is None:
            return ZCoreRanking(np.arange(len(pool)), none)
        scores = weighted_ranks(self.scores[pool.vectors.rows], pool.weights)
        return ZCoreRanking(np.argsort(-scores, kind="stable"), none)

    def shares(self, pool: Pool, regions: np.ndarray) -> np.ndarray:
        """(r,) float64 shares of the regions of a pool, which add up to 1."""
        shares = np.bincount(regions, weights=pool.weights * self.reading.worth_of(pool.Z))
        return shares / shares.sum()


def read(surroundings: Pool, sample: Pool, settings: AutoSettings = DEFAULTS) -> Reading:
    """Reads a pool from some of its rows.

    Bursts are missing from a random sample, so they are looked for in the surroundings of some rows.

    Args:
        surroundings: rows with all that are near them
        sample: random rows
        settings: the constants

    Returns:
        the reading
    """
    found = surroundings.near_duplicates()
    if found.clear:
        copies = near_duplicates(
            sample.Z, radius=found.radius, seed=sample.seed, num_workers=sample.num_workers, neighbors=sample.neighbors
        )
        sample = sample.subset(np.flatnonzero(copies.representatives()), np.empty(0, dtype=np.int64))
    regions = find_regions(sample, settings)
    nearest = sample.neighbors(GRAPH_NEIGHBORS)[1][:, 0]
    ranked, trusted = judged_zcore(sample, regions, None if found.clear else nearest, sample.report, settings)
    shares = region_shares(sample, regions, nearest, ranked.hits, settings)
    sums = np.zeros((len(shares), sample.Z.shape[1]))
    np.add.at(sums, regions, sample.Z)
    centers = (sums / np.bincount(regions)[:, None]).astype(np.float32)
    return Reading(found.radius, found.clear, trusted, centers, shares / region_masses(sample, regions))
