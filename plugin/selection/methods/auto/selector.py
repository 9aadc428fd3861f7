"""The default: reads the pool, then gives every region of it its share, one image of each burst first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ....progress import part_of
from ....vectors.near_duplicates import NearDuplicates
from ...apportion import take_turns
from ...cover import distance_matrix, similarities
from ...method import register
from ...pool import GRAPH_NEIGHBORS, Picks, Pool
from ..maxherding import gaussian
from .reading import Whole
from .regions import Regions, find_regions, region_shares
from .settings import DEFAULTS, AutoSettings
from .singletons import singleton_auc, singleton_quota
from .turns import Priority, cover_in_turns
from .zcore_trust import judged_zcore, outliers_last


@dataclass(frozen=True)
class _GroupQuota:
    """How the budget is shared among groups of near-duplicates.

    Attributes:
        share: (g,) float64 share of the coreset for every group; they add up to 1
        off_topic: (g,) bool, True in singletons that may be off-topic
        waits: (g,) bool, True in those of them that come last, so that the others are as frequent as in the pool
        turn_group: (g,) int64 who takes turns once all representatives are kept: off-topic singletons do so together
        turn_share: (g + 1,) float64 share of the coreset for every one of them
        facts: what was read from the pool
    """

    share: np.ndarray
    off_topic: np.ndarray
    waits: np.ndarray
    turn_group: np.ndarray
    turn_share: np.ndarray
    facts: dict[str, Any]


@register("auto", "Reads the pool: one image of each burst of near-copies first, every region its share")
def auto(pool: Pool, k: int) -> Picks:
    """Groups near-duplicates, then lets the regions of the pool take turns, each giving what covers most.

    1.  Near-copies are those that pixels tell, or what the gap that the data shows divides, see
        :func:`.near_duplicates`. A burst of s copies counts as ``sqrt(s)`` images and one image stands for it. Where
        there is no gap, nothing is put together for being close.
    2.  In a pool of bursts, single images that differ from what comes in bursts may be off-topic, see
        :func:`.singletons.singleton_auc`. One of each would fill the coreset with them, so at every budget they have
        together the share that they have of the pool; which of them stand is left to chance.
    3.  Regions, k-means clusters of the images that stand for the groups, take turns; single images that differ have
        regions of their own. A region's share lies between that of its images and that of the embedding space it
        covers, less what scattered images cover by being scattered, see :func:`.regions.region_shares`. So at every
        budget no class is starved, a rare kind in a place of its own can come more often than its number says, and no
        odd region, junk included, gets much more than its share. While no region is behind its share, as where there
        are fewer picks than regions, the one comes in which most can be covered, see :mod:`.turns`.
    4.  In its turn a region gives the image that adds most coverage, with a self-tuning Gaussian kernel (Zelnik-Manor
        and Perona, NeurIPS 2004): distances count in units of the two images' own distances to their m-th neighbours.
        m follows the budget: when one image in m is kept, each stands for m. Small coresets are thus typical images of
        large neighbourhoods, and large ones follow the density of the pool instead of collecting its outskirts.
    5.  Where ZCore's first picks stand for the pool, see :func:`.zcore_trust.trusts_zcore`, nine tenths of the
        shares and of the picks are ZCore's: a model that separates the kinds of images has clear examples of each
        at the outskirts of its space, as many of a rare kind as of a frequent one.
    6.  Further copies and the other single images follow, the groups taking turns.

    Every prefix of the order is the selection of that size.

    Args:
        pool: the problem
        k: rows to pick

    Returns:
        the picks; the details say what was read from the pool and what was done

    References:
        Zelnik-Manor and Perona: Self-Tuning Spectral Clustering. NeurIPS 2004.
        Griffin et al.: Zero-Shot Coreset Selection. WACV 2026.
    """
    return select(pool, k, DEFAULTS)


def select(pool: Pool, k: int, settings: AutoSettings, whole: Whole | None = None) -> Picks:
    """What :func:`auto` does, with other constants than its own, or in a part of a pool.

    Args:
        pool: the problem
        k: rows to pick
        settings: the constants
        whole (None): what was decided for the pool of which this is a part; the pool decides for itself by default

    Returns:
        the picks
    """
    found = _groups(pool, whole)
    pool.report(0.3, "near-duplicates found")
    quota = _group_quota(pool, found, settings, whole)
    represent, later = _representatives(pool, found, quota.waits)
    representatives = pool.subset(represent, pool.preselected)
    part = replace(representatives, weights=quota.share[found.groups[represent]] * len(represent))
    regions = find_regions(part, quota.off_topic[found.groups[represent]], settings)
    count = min(k, int(part.candidates.sum()))
    order, zcore_share = _cover(part, regions, representatives, count, found.clear, settings, whole)
    order = represent[order]
    if len(order) < k:
        turns = quota.turn_group[found.groups]
        taken = np.bincount(turns[np.concatenate([pool.preselected, order])], minlength=len(quota.turn_share))
        order = np.concatenate([order, take_turns(later, turns, quota.turn_share, taken)[: k - len(order)]])
    facts = quota.facts | {"regions": len(regions.weight), "chosen_by_zcore": zcore_share}
    if zcore_share > 0:
        facts["why"] += f"; ZCore's picks stand for the pool, so it chooses {zcore_share:.0%} of the coreset"
    return Picks(order, details=facts)


def _groups(pool: Pool, whole: Whole | None) -> NearDuplicates:
    """The near-copies that pixels tell, however few; else the bursts that a gap tells, and no groups without one."""
    if whole is not None and not whole.reading.clear:
        return NearDuplicates(np.arange(len(pool)), whole.reading.radius, False, np.zeros(len(pool), dtype=np.float32))
    found = pool.near_duplicates()
    if found.by_pixels or found.clear:
        return found
    return replace(found, groups=np.arange(len(pool)), centrality=np.zeros_like(found.centrality))


def _group_quota(pool: Pool, found: NearDuplicates, settings: AutoSettings, whole: Whole | None) -> _GroupQuota:
    sizes = np.bincount(found.groups)
    weight = np.bincount(found.groups, weights=pool.weights)
    value = weight / sizes * sizes**settings.group_growth
    if whole is not None:
        auc = whole.reading.auc
    else:
        auc = singleton_auc(pool.Z, found, settings) if found.clear else None
    off_topic = (sizes == 1) & (auc is not None)
    waits = np.zeros(len(sizes), dtype=bool)
    if off_topic.any():
        if whole is not None and whole.singletons is not None:
            quota = whole.singletons
        else:
            odds = weight[off_topic].sum() / weight[~off_topic].sum()
            quota = singleton_quota(int(off_topic.sum()), int(np.sum(~off_topic)), odds, value[~off_topic].sum())
        waits = _beyond_their_share(off_topic, quota.represented)
        value = np.where(waits, 0, np.where(off_topic, quota.value, value))
    share = value / value.sum()
    turn_group = np.where(off_topic, len(sizes), np.arange(len(sizes)))
    turn_share = np.append(share, max(share[off_topic].sum(), 1e-9))
    copies = 1 - len(sizes) / len(pool)
    facts: dict[str, Any] = {
        "near_copy_share": copies,
        "groups": len(sizes),
        "largest_group": int(sizes.max()),
        "near_duplicate_radius": found.radius,
        "bursts": found.clear,
        "single_images_differ": auc,
        "why": _why(found, sizes, copies, auc),
    }
    return _GroupQuota(share, off_topic, waits, turn_group, turn_share, facts)


def _beyond_their_share(off_topic: np.ndarray, share: float) -> np.ndarray:
    """(g,) bool, True in the off-topic singletons that must wait, which are all but a share of them."""
    represented = max(1, round(share * np.sum(off_topic)))
    waits = np.zeros(len(off_topic), dtype=bool)
    waits[np.flatnonzero(off_topic)[represented:]] = True  # groups, like rows, come in a random order
    return waits


def _why(found: NearDuplicates, sizes: np.ndarray, copies: float, auc: float | None) -> str:
    name = "near-copies" if found.by_pixels else "look-alikes"
    if not found.clear:
        share = f" ({copies:.0%} of the pool are near-copies of others)" if found.by_pixels else ""
        return (
            f"no bursts stand out{share}, so every region of the pool is kept in proportion to its size and the space"
            " it covers"
        )
    text = (
        f"{copies:.0%} of the pool are {name} in {np.sum(sizes > 1)} bursts of up to {sizes.max()}, so one"
        " of each burst comes first"
    )
    if auc is not None:
        text += f"; what is single looks unlike the bursts (AUC {auc:.2f}), so it keeps its share of the pool"
    return text


def _representatives(pool: Pool, found: NearDuplicates, waits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows that represent their groups, preselected ones or else the most central one, and all other rows.

    Args:
        pool: the problem
        found: the groups
        waits: (g,) bool, True in groups without a representative
    """
    represents = found.representatives(prefer=pool.preselected) & ~waits[found.groups]
    represents[pool.preselected] = True
    return np.flatnonzero(represents), np.flatnonzero(~represents)


def _cover(
    part: Pool,
    regions: Regions,
    unweighted: Pool,
    count: int,
    bursts: bool,
    settings: AutoSettings,
    whole: Whole | None,
) -> tuple[np.ndarray, float]:
    """Lets the regions take turns.

    Args:
        part: the images that represent the groups, each with the weight of what it represents
        regions: its regions
        unweighted: the same images with weights of their own, as ZCore sees them
        count: rows to pick
        bursts: True if images represent bursts; what is odd is dealt with then, so being isolated says nothing
        settings: the constants
        whole: what was decided for the pool of which this is a part, or None

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
    report = part_of(part.report, 0.3, 0.4)
    if whole is not None:
        by_zcore, trusted, shares = whole.ranking(unweighted), whole.reading.trusted, whole.shares(part, regions)
    else:
        by_zcore, trusted = judged_zcore(unweighted, regions.labels, None if bursts else nearest, report, settings)
        shares = region_shares(part, regions, nearest, by_zcore.hits, settings)
    zcore_share = settings.zcore_share if trusted else 0.0
    ranking = by_zcore.ranking if bursts else outliers_last(by_zcore.ranking, nearest, settings)
    images_per_pick = settings.coarsest_scale
    while images_per_pick >= 1:
        budget = len(part) // images_per_pick
        stop = min(count, budget - len(part.preselected))
        if stop > len(order):
            zcore_shares = np.bincount(regions.labels[ranking[:budget]], minlength=len(shares)) / budget
            both = (1 - zcore_share) * shares + zcore_share * zcore_shares
            scale = np.maximum(to_neighbors[:, min(images_per_pick, to_neighbors.shape[1]) - 1], 1e-6)
            report = part_of(part.report, 0.4 + 0.6 * len(order) / count, 0.4 + 0.6 * stop / count)
            now = replace(part, preselected=np.concatenate([part.preselected, order]), report=report)
            priority = Priority(ranking, zcore_share * zcore_shares / both)
            picks = cover_in_turns(
                similarities(distances, gaussian, scale),
                stop - len(order),
                now,
                regions.labels,
                regions.rescale(both),
                priority,
            )
            order = np.concatenate([order, picks])
        images_per_pick //= 2
    return order, zcore_share
