"""The default: reads the pool, then gives every region of it its share, one image of each burst first."""

from __future__ import annotations

from dataclasses import replace
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
from .regions import find_regions, region_shares
from .settings import DEFAULTS, AutoSettings
from .turns import Priority, cover_in_turns
from .zcore_trust import judged_zcore


@register("auto", "Reads the pool: one image of each burst of near-copies first, every region its share")
def auto(pool: Pool, k: int) -> Picks:
    """Groups near-duplicates, then lets the regions of the pool take turns, each giving what covers most.

    1.  Near-copies are those that pixels tell, or what the gap that the data shows divides, see
        :func:`.near_duplicates`. A burst of s copies counts as ``sqrt(s)`` images and one image stands for it. Where
        there is no gap, nothing is put together for being close.
    2.  Regions, k-means clusters of the images that stand for the groups, take turns. A region's share lies between
        that of its images and that of the embedding space it covers, less what scattered images cover by being
        scattered, see :func:`.regions.region_shares`. So at every budget no class is starved, a rare kind in a place of
        its own can come more often than its number says, and no odd region gets much more than its share. While no
        region is behind its share, as where there are fewer picks than regions, the one comes in which most can be
        covered, see :mod:`.turns`.
    3.  In its turn a region gives the image that adds most coverage, with a self-tuning Gaussian kernel (Zelnik-Manor
        and Perona, NeurIPS 2004): distances count in units of the two images' own distances to their m-th neighbours.
        m follows the budget: when one image in m is kept, each stands for m. Small coresets are thus typical images of
        large neighbourhoods, and large ones follow the density of the pool instead of collecting its outskirts.
    4.  Where ZCore's first picks stand for the pool, see :func:`.zcore_trust.trusts_zcore`, nine tenths of the
        shares and of the picks are ZCore's: a model that separates the kinds of images has clear examples of each
        at the outskirts of its space, as many of a rare kind as of a frequent one.
    5.  Further copies follow, the groups taking turns.

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
    stands = found.representatives(prefer=pool.preselected)
    stands[pool.preselected] = True
    represent, later = np.flatnonzero(stands), np.flatnonzero(~stands)
    sizes = np.bincount(found.groups)
    value = np.bincount(found.groups, weights=pool.weights) / sizes * sizes**settings.group_growth
    representatives = pool.subset(represent, pool.preselected)
    part = replace(representatives, weights=value[found.groups[represent]])
    count = min(k, int(part.candidates.sum()))
    order, zcore_share = _cover(part, representatives, count, found.clear, settings, whole)
    order = represent[order]
    if len(order) < k:
        taken = np.bincount(found.groups[np.concatenate([pool.preselected, order])], minlength=len(sizes))
        order = np.concatenate([order, take_turns(later, found.groups, value, taken)[: k - len(order)]])
    return Picks(order, details=_facts(pool, found, sizes, zcore_share))


def _groups(pool: Pool, whole: Whole | None) -> NearDuplicates:
    """The near-copies that pixels tell, however few; else the bursts that a gap tells, and no groups without one."""
    if whole is not None and not whole.reading.clear:
        return NearDuplicates(np.arange(len(pool)), whole.reading.radius, False, np.zeros(len(pool), dtype=np.float32))
    found = pool.near_duplicates()
    if found.by_pixels or found.clear:
        return found
    return replace(found, groups=np.arange(len(pool)), centrality=np.zeros_like(found.centrality))


def _facts(pool: Pool, found: NearDuplicates, sizes: np.ndarray, zcore_share: float) -> dict[str, Any]:
    """What was read from the pool and what was done, which is also said in words."""
    copies = 1 - len(sizes) / len(pool)
    name = "near-copies" if found.by_pixels else "look-alikes"
    if found.clear:
        why = (
            f"{copies:.0%} of the pool are {name} in {np.sum(sizes > 1)} bursts of up to {sizes.max()}, so one of each"
            " burst comes first"
        )
    else:
        share = f" ({copies:.0%} of the pool are near-copies of others)" if found.by_pixels else ""
        why = (
            f"no bursts stand out{share}, so every region of the pool is kept in proportion to its size and the space"
            " it covers"
        )
    if zcore_share > 0:
        why += f"; ZCore's picks stand for the pool, so it chooses {zcore_share:.0%} of the coreset"
    return {
        "near_copy_share": copies,
        "groups": len(sizes),
        "largest_group": int(sizes.max()),
        "near_duplicate_radius": found.radius,
        "bursts": found.clear,
        "chosen_by_zcore": zcore_share,
        "why": why,
    }


def _cover(
    part: Pool, unweighted: Pool, count: int, bursts: bool, settings: AutoSettings, whole: Whole | None
) -> tuple[np.ndarray, float]:
    """Lets the regions take turns.

    Args:
        part: the images that stand for the groups, each with the weight of what it stands for
        unweighted: the same images with weights of their own, as ZCore sees them
        count: rows to pick
        bursts: True if images stand for bursts, so that being isolated says nothing
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
    regions = find_regions(part, settings)
    if whole is not None:
        by_zcore, trusted, by_place = whole.ranking(unweighted), whole.reading.trusted, whole.shares(part, regions)
    else:
        report = part_of(part.report, 0.3, 0.4)
        by_zcore, trusted = judged_zcore(unweighted, regions, None if bursts else nearest, report, settings)
        by_place = region_shares(part, regions, nearest, by_zcore.hits, settings)
    zcore_share = settings.zcore_share if trusted else 0.0
    images_per_pick = settings.coarsest_scale
    while images_per_pick >= 1:
        budget = len(part) // images_per_pick
        stop = min(count, budget - len(part.preselected))
        if stop > len(order):
            picked = np.bincount(regions[by_zcore.ranking[:budget]], minlength=len(by_place)) / budget
            shares = (1 - zcore_share) * by_place + zcore_share * picked
            scale = np.maximum(to_neighbors[:, min(images_per_pick, to_neighbors.shape[1]) - 1], 1e-6)
            report = part_of(part.report, 0.4 + 0.6 * len(order) / count, 0.4 + 0.6 * stop / count)
            now = replace(part, preselected=np.concatenate([part.preselected, order]), report=report)
            priority = Priority(by_zcore.ranking, zcore_share * picked / shares)
            picks = cover_in_turns(
                similarities(distances, gaussian, scale), stop - len(order), now, regions, shares, priority
            )
            order = np.concatenate([order, picks])
        images_per_pick //= 2
    return order, zcore_share
