"""The default: reads the pool, then gives every region of it its share, one image of each burst first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ....progress import part_of
from ....vectors.near_duplicates import NearDuplicates, near_duplicates
from ...cover import GRAPH_NEIGHBORS, Favourites, distance_matrix, greedy_cover, similarities
from ...pool import Picks, Pool
from ...quotas import take_turns
from ...registry import register
from ..maxherding import gaussian
from .regions import Regions, find_regions, region_shares
from .singletons import singles_differ
from .zcore_trust import Margins, find_margins, outliers_last, trust_in_margins

#: A burst of s near-copies counts as s ** _GROWTH distinct images.
_GROWTH = 0.5
#: Share of the coreset that follows the plain number of images all the same: where bursts are plain to see, and where
#: they are not and a dense region may hold distinct images.
_MASS_IF_BURSTS = 0.05
_MASS_OTHERWISE = 0.5
#: An image counts as covered at the distance of its m-th neighbour while fewer than one in m is kept, for these m.
_IMAGES_PER_PICK = (64, 32, 16, 8, 4, 2, 1)
#: Share of the coreset that ZCore chooses where it can be trusted.
_MOST_BY_ZCORE = 0.9


@dataclass(frozen=True)
class _Plan:
    """How the budget is shared among groups of near-duplicates.

    Attributes:
        share: (g,) float64 share of the coreset for every group; they add up to 1
        delegates: (g,) int64 images that stand for a group before any group gets further copies
        doubtful: (g,) bool, True in single images that may be off-topic
        turns: (g,) int64 who takes turns once all delegates are kept: doubtful single images do so together
        turn_share: share of the coreset for every one of them
        facts: what was read from the pool
    """

    share: np.ndarray
    delegates: np.ndarray
    doubtful: np.ndarray
    turns: np.ndarray
    turn_share: np.ndarray
    facts: dict[str, Any]


@register("auto", "Reads the pool: one image of each burst of near-copies first, every region its share")
def auto(pool: Pool, k: int) -> Picks:
    """Groups near-duplicates, then lets the regions of the pool take turns, each giving what covers most.

    1.  Near-duplicates are found at the gap the data shows, see :func:`.near_duplicates`. A burst of s
        copies counts as ``sqrt(s)`` images and one image stands for it. Where the data shows no bursts, half of the
        coreset still follows the plain number of images, so that a dense region mistaken for a burst is not starved.
    2.  In a pool of bursts, single images that differ from what comes in bursts may be off-topic, see
        :func:`..singles.singles_differ`. One of each would fill the coreset with them, so at every budget they have
        together the share that they have of the pool; which of them stand is left to chance.
    3.  Regions, k-means clusters of the images that stand for the groups, take turns; single images that differ have
        regions of their own. A region's share lies between that of its images and that of the embedding space it
        covers, less what scattered images cover by being scattered, see :func:`..regions.region_shares`. So at every
        budget no class is starved, a rare kind in a place of its own can come more often than its number says, and no
        odd region, junk included, gets much more than its share.
    4.  In its turn a region gives the image that adds most coverage, with a self-tuning Gaussian kernel (Zelnik-Manor
        and Perona, NeurIPS 2004): distances count in units of the two images' own distances to their m-th neighbours.
        m follows the budget: when one image in m is kept, each stands for m. Small coresets are thus typical images of
        large neighbourhoods, and large ones follow the density of the pool instead of collecting its margins.
    5.  Where ZCore's first picks stand for the pool, see :func:`..margins.trust_in_margins`, up to nine tenths of
        the shares and of the picks are ZCore's: a model that separates the kinds of images has clear examples of each
        at the margins of its space, as many of a rare kind as of a frequent one.
    6.  Further copies and the other single images follow, the groups taking turns.

    Every prefix of the order is the selection of that size.

    Args:
        pool: the problem
        k: rows to pick

    Returns:
        the picks; the details say what was read from the pool and what was done
    """
    found = near_duplicates(pool.Z, seed=pool.seed, num_workers=pool.num_workers)
    pool.report(0.3, "near-duplicates found")
    plan = _plan(pool, found)
    stand, later = _delegates(pool, found, plan)
    per_image = plan.share / np.maximum(plan.delegates, 1)
    standing = pool.subset(stand, pool.kept)
    margins = find_margins(standing, part_of(pool.report, 0.3, 0.4))
    part = replace(standing, weights=per_image[found.groups[stand]] * len(stand))
    regions = find_regions(part, plan.doubtful[found.groups[stand]])
    order, by_zcore = _cover(part, regions, margins, min(k, int(part.free.sum())), found.clear)
    order = stand[order]
    if len(order) < k:
        turns = plan.turns[found.groups]
        taken = np.bincount(turns[np.concatenate([pool.kept, order])], minlength=len(plan.turn_share))
        order = np.concatenate([order, take_turns(later, turns, plan.turn_share, taken)[: k - len(order)]])
    facts = plan.facts | {"regions": len(regions.mass), "chosen_by_zcore": by_zcore}
    if by_zcore > 0:
        facts["why"] += f"; ZCore's picks stand for the pool, so it chooses {by_zcore:.0%} of the coreset"
    return Picks(order, details=facts)


def _plan(pool: Pool, found: NearDuplicates) -> _Plan:
    sizes = np.bincount(found.groups)
    mass = np.bincount(found.groups, weights=pool.weights)
    value = mass / sizes * sizes**_GROWTH
    auc = singles_differ(pool.Z, found) if found.clear else None
    doubtful = (sizes == 1) & (auc is not None)
    waits = _standing_for_their_share(doubtful, mass, value) if auc is not None else doubtful
    blend = _MASS_IF_BURSTS if found.clear else _MASS_OTHERWISE
    share = (1 - blend) * value / value.sum() + blend * mass / mass.sum()
    one = (1 - blend) / value.sum() + blend / mass.sum()
    most = 1 if found.clear else sizes
    delegates = np.where(waits, 0, np.clip((share / one + 1e-9).astype(np.int64), 1, most))
    together = len(sizes)
    turns = np.where(doubtful, together, np.arange(len(sizes)))
    turn_share = np.append(share, max(share[doubtful].sum(), 1e-9))
    copies = 1 - len(sizes) / len(pool)
    facts: dict[str, Any] = {
        "near_copy_share": copies,
        "groups": len(sizes),
        "largest_group": int(sizes.max()),
        "near_duplicate_radius": found.threshold,
        "bursts": found.clear,
        "single_images_differ": auc,
        "why": _why(found, sizes, copies, auc),
    }
    return _Plan(share, delegates, doubtful, turns, turn_share, facts)


def _standing_for_their_share(doubtful: np.ndarray, mass: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Lets as many doubtful groups stand, and count for as much in ``value``, as their share of the pool says.

    Returns:
        (g,) bool, True in those that wait
    """
    odds = mass[doubtful].sum() / mass[~doubtful].sum()
    standing = max(1, round(odds * np.sum(~doubtful)))
    waits = np.zeros(len(doubtful), dtype=bool)
    waits[np.flatnonzero(doubtful)[standing:]] = True  # groups, like rows, come in a random order
    value[doubtful] = odds * value[~doubtful].sum() / np.sum(doubtful & ~waits)
    value[waits] = 0
    return waits


def _why(found: NearDuplicates, sizes: np.ndarray, copies: float, auc: float | None) -> str:
    if not found.clear:
        return (
            f"no bursts of near-copies stand out ({copies:.0%} of the images are copies), so every region of the pool"
            " is kept in proportion to its images and the space they cover"
        )
    text = (
        f"{copies:.0%} of the images are near-copies in {np.sum(sizes > 1)} bursts of up to {sizes.max()}, so one"
        " image of each burst comes first"
    )
    if auc is not None:
        text += f"; single images look unlike the bursts (AUC {auc:.2f}), so they keep their share of the pool"
    return text


def _delegates(pool: Pool, found: NearDuplicates, plan: _Plan) -> tuple[np.ndarray, np.ndarray]:
    """The rows that stand for their groups, kept rows first and then the most central one, and the others."""
    kept = ~pool.free
    central = found.representatives()
    order = np.lexsort((np.arange(len(pool)), ~central, ~kept, found.groups))
    sizes = np.bincount(found.groups)
    place = np.arange(len(pool)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    stands = np.empty(len(pool), dtype=bool)
    stands[order] = place < plan.delegates[found.groups[order]]
    stands |= kept
    return np.flatnonzero(stands), np.flatnonzero(~stands)


def _cover(part: Pool, regions: Regions, margins: Margins, count: int, bursts: bool) -> tuple[np.ndarray, float]:
    """Lets the regions take turns.

    Args:
        part: the images that stand for the groups
        regions: its regions
        margins: ZCore's view of them
        count: rows to pick
        bursts: True if images stand for bursts; what is odd is dealt with then, so being isolated says nothing

    Returns:
        a tuple of (count,) int64 picks and the share of the coreset that ZCore chose
    """
    order = np.empty(0, dtype=np.int64)
    if count == 0:
        return order, 0.0
    neighbors = part.neighbors(GRAPH_NEIGHBORS)
    distances = distance_matrix(part, neighbors)
    to_neighbors = neighbors[1]
    if to_neighbors.shape[1] == 0:
        to_neighbors = np.ones((len(part), 1), dtype=np.float32)
    nearest = to_neighbors[:, 0]
    shares = region_shares(part, regions, nearest, margins.hits)
    by_zcore = _MOST_BY_ZCORE * trust_in_margins(part, regions.of, margins.ranking, None if bursts else nearest)
    ranking = margins.ranking if bursts else outliers_last(margins.ranking, to_neighbors)
    for images_per_pick in _IMAGES_PER_PICK:
        budget = len(part) // images_per_pick
        stop = min(count, budget - len(part.kept))
        if stop <= len(order):
            continue
        zcore_shares = np.bincount(regions.of[ranking[:budget]], minlength=len(shares)) / budget
        both = (1 - by_zcore) * shares + by_zcore * zcore_shares
        favourites = Favourites(ranking, by_zcore * zcore_shares / both)
        scale = np.maximum(to_neighbors[:, min(images_per_pick, to_neighbors.shape[1]) - 1], 1e-6)
        report = part_of(part.report, 0.4 + 0.6 * len(order) / count, 0.4 + 0.6 * stop / count)
        now = replace(part, kept=np.concatenate([part.kept, order]), report=report)
        matrix = similarities(distances, gaussian, scale)
        settled = regions.settle(both)
        picks, _ = greedy_cover(matrix, stop - len(order), now, regions.of, settled, favourites)
        order = np.concatenate([order, picks])
    return order, by_zcore
