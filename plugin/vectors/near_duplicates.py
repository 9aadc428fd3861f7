"""Near-duplicates: which images show the same thing, as the data itself tells.

The one place that answers it: budgets, ``deduplicate=``, the default method, reports, curves and the panel ask here.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

from ..errors import CoresetError
from .matrix import blocks
from .neighbors import EXACT_LIMIT, nearest_neighbors, pairwise_distances, squared_distances
from .points import DOUBLE_WORK, as_points
from .row_hash import row_keys
from .threads import product_threads

#: Rows up to which all pairs are compared to group near-duplicates; beyond, links are looked for among neighbours.
EXACT_ROWS = 20_000
_BLOCK = 2048
#: Beyond EXACT_LIMIT rows the radius is read from the surroundings of some rows, where bursts are whole.
_PLACES = 32
_PLACE_ROWS = 640
#: Neighbours per row in the graph that near-duplicates are linked in, and rows that stand for a separate part of it.
_NEIGHBORS = 10
_DELEGATES = 5
#: Distances up to this are exact copies.
_EXACT = 1e-6
#: Links shorter than this share of their median tell nothing about where the gap is.
_SHORT = 0.02
#: A gap between copies and distinct images counts if the density in it is at most this share of that on both sides,
#: or, where one mode is a mere shoulder of the other, if the groups stand apart: by this factor, in the median group.
#: The linked rows must fall into many groups, none of them a third of the pool, rather than into one dense region: into
#: this share of all groups, besides a few that lie close by chance.
_GAP_DEPTH = 0.9
_STANDS_APART = 1.3
_LEAST_GROUPS = 0.05
_CHANCE_GROUPS = 2
_LEAST_DISTINCT = 10
_BINS = 1024
#: Without a gap, links of copies and of distinct images overlap. They are two kinds if the long links stretch further
#: from the median than the short ones, by this factor, and if the two parts of a mixture lie this many SDs apart.
_LONG_TAIL = 1.2
_PARTS_APART = 1.85
_MOST_LINKS = 50_000


@dataclass(frozen=True)
class NearDuplicates:
    """Groups of near-duplicates.

    Attributes:
        groups: (n,) int64 group of every row, numbered from 0; a row without near-duplicates is a group of its own
        radius: near-duplicate radius, the L2 distance between unit-norm embeddings up to which rows were linked
        clear: True if there are bursts: a gap in the data between near-copies and distinct images, or many near-copies
        centrality: (n,) float32 how far every row is from the middle of its group
        by_pixels (False): True if fingerprints told near-copies, so that groups are certain; else they are look-alikes
    """

    groups: np.ndarray
    radius: float
    clear: bool
    centrality: np.ndarray
    by_pixels: bool = False

    def take(self, rows: np.ndarray) -> NearDuplicates:
        """The groups as far as they are made of some of the rows, which are numbered as given."""
        groups = np.unique(self.groups[rows], return_inverse=True)[1].reshape(-1).astype(np.int64)
        return NearDuplicates(groups, self.radius, self.clear, self.centrality[rows], self.by_pixels)

    def representatives(self, prefer: np.ndarray | None = None) -> np.ndarray:
        """Picks the most central row of every group.

        Args:
            prefer (None): int rows that represent their group whatever their place in it

        Returns:
            (n,) bool, True in one row of every group (in all preferred ones where there are several)
        """
        preferred = np.zeros(len(self.groups), dtype=bool)
        if prefer is not None:
            preferred[prefer] = True
        order = np.lexsort((np.arange(len(self.groups)), self.centrality, ~preferred, self.groups))
        first = np.r_[True, self.groups[order][1:] != self.groups[order][:-1]]
        chosen = preferred.copy()
        chosen[order[first]] = True
        return chosen


def near_duplicates(
    unit: np.ndarray,
    *,
    radius: float | None = None,
    seed: int = 0,
    num_workers: int | None = None,
    neighbors: Callable[[int], tuple[np.ndarray, np.ndarray]] | None = None,
) -> NearDuplicates:
    """Groups near-duplicates: rows that a chain of short links connects (single linkage).

    All pairs are compared for up to 20,000 rows. Beyond, links are looked for among the 10 nearest neighbours, so a few
    may be missed and a group may be split, never wrongly joined.

    Args:
        unit: (n, d) float32 unit-norm embeddings
        radius (None): largest L2 distance of linked rows, :func:`near_duplicate_radius` by default
        seed (0): seed of the neighbour search
        num_workers (None): threads
        neighbors (None): gives the k nearest rows of every row, where the caller knows them already

    Returns:
        the groups

    Raises:
        CoresetError: if the radius is no distance
    """
    if radius is not None and not radius >= 0:
        raise CoresetError(f"near-duplicate radius must be a distance >= 0, got {radius}")
    clear = False
    if radius is None:
        radius, clear = _read_radius(len(unit), lambda rows: unit[rows], seed, num_workers)
    if len(unit) <= EXACT_ROWS:
        groups = _grouped(unit, radius)
    else:
        rows, columns, lengths = _spanning_links(unit, seed, num_workers, neighbors)
        groups = linked(len(unit), rows, columns, lengths <= max(radius, _EXACT))
    return NearDuplicates(groups, float(radius), clear, _centrality(unit, groups))


def near_duplicate_radius(
    embeddings: Any, *, seed: int = 0, normalize: bool = True, num_workers: int | None = None
) -> float:
    """Distance within which two images count as near-duplicates, read from the data.

    The links of the minimum spanning tree are short inside bursts of near-copies and long between distinct images;
    where their lengths show a gap between two modes, the gap is the radius, whatever the model and the kind of copies.
    Where they do not, only links shorter than half their median count. Of more than 30,000 images, the surroundings of
    32 are looked at.

    Args:
        embeddings: (n, d) embeddings, or :class:`.points.Points`
        seed (0): seed of the sample and of the mixture that tells overlapping links apart
        normalize (True): whether distances are taken between unit-length vectors
        num_workers (None): threads

    Returns:
        the near-duplicate radius; 0 for fewer than two images

    Examples:
        >>> import numpy as np
        >>> bool(near_duplicate_radius(np.eye(3)) == np.float32(2**0.5) / 2)
        True
    """
    points = as_points(embeddings, normalize)
    return _read_radius(len(points.rows), lambda rows: points.block(points.rows[rows]), seed, num_workers)[0]


def _read_radius(
    n: int, read: Callable[[np.ndarray], np.ndarray], seed: int, num_workers: int | None
) -> tuple[float, bool]:
    """The radius, and whether there is a gap; ``read(rows)`` gives a block of the n rows."""
    with product_threads(num_workers) as threads:
        parts = list(threads.map(lambda part: row_keys(read(part), seed), _parts(n)))
        keys = np.concatenate(parts) if n else np.empty(0, dtype=np.uint64)
        chosen = np.arange(n) if n <= EXACT_LIMIT else _places(n, read, keys, threads)
    unit = read(chosen[np.argsort(keys[chosen], kind="stable")])  # by content: the order of the rows does not matter
    rows, columns, lengths = _spanning_links(unit, seed, num_workers)
    if not len(lengths):
        return 0.0, False
    gap = _gap(len(unit), rows, columns, lengths)
    if gap is None:
        gap = _overlap(len(unit), rows, columns, lengths, seed)
    if gap is not None:
        return gap, True
    usual = float(np.median(lengths))
    return (usual / 2 if usual > _EXACT else 0.0), False


def _parts(n: int) -> list[np.ndarray]:
    """N rows in blocks."""
    return [np.arange(start, min(start + 8 * _BLOCK, n)) for start in range(0, n, 8 * _BLOCK)]


def _places(
    n: int, read: Callable[[np.ndarray], np.ndarray], keys: np.ndarray, threads: ThreadPoolExecutor
) -> np.ndarray:
    """Rows around some of n rows, the first by their keys."""
    centers = read(np.argsort(keys, kind="stable")[:_PLACES])
    near = np.hstack(list(threads.map(lambda part: pairwise_distances(centers, read(part)), _parts(n))))
    return np.unique(np.argpartition(near, _PLACE_ROWS, axis=1)[:, :_PLACE_ROWS])


def _spanning_links(
    unit: np.ndarray,
    seed: int,
    num_workers: int | None,
    neighbors: Callable[[int], tuple[np.ndarray, np.ndarray]] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Links of a minimum spanning tree over nearest neighbours: rows, columns and lengths."""
    n = len(unit)
    if neighbors is None:
        neighbors = partial(nearest_neighbors, unit, seed=seed, num_workers=num_workers)
    indices, distances = neighbors(_NEIGHBORS)
    rows, columns, lengths = np.repeat(np.arange(n), indices.shape[1]), indices.ravel(), distances.ravel()
    parts = linked(n, rows, columns, np.ones(len(rows), dtype=bool))
    if parts.max() > 0:
        # A burst longer than the neighbour list knows nobody else. A few delegates of each part find the next one.
        order = np.argsort(parts, kind="stable")
        sizes = np.bincount(parts)
        place = np.arange(n) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        delegates = order[place < _DELEGATES]
        near, far = nearest_neighbors(unit[delegates], 2 * _DELEGATES, seed=seed, num_workers=num_workers)
        rows = np.concatenate([rows, np.repeat(delegates, near.shape[1])])
        columns = np.concatenate([columns, delegates[near.ravel()]])
        lengths = np.concatenate([lengths, far.ravel()])
    # Both directions of a link, the shorter first; a stored 0 would read as no link.
    low, high = np.minimum(rows, columns), np.maximum(rows, columns)
    order = np.lexsort((lengths, high, low))
    first = np.r_[True, (np.diff(low[order]) != 0) | (np.diff(high[order]) != 0)] if n > 1 else np.ones(0, dtype=bool)
    links = order[first]
    graph = csr_matrix((np.maximum(lengths[links], _EXACT / 2), (low[links], high[links])), shape=(n, n))
    tree = minimum_spanning_tree(graph).tocoo()
    return tree.row, tree.col, tree.data


def _gap(n: int, rows: np.ndarray, columns: np.ndarray, lengths: np.ndarray) -> float | None:
    """The length at the gap between copies and distinct images, or None."""
    from scipy.ndimage import gaussian_filter1d

    if len(lengths) < 2 * _LEAST_DISTINCT:
        return None
    scale = np.log(np.maximum(lengths, _EXACT))
    distinct = scale[lengths > _SHORT * np.median(lengths)]
    if len(distinct) < 2 * _LEAST_DISTINCT or np.ptp(distinct) == 0:
        return None
    quartiles = np.subtract(*np.quantile(distinct, [0.75, 0.25]))
    bandwidth = 0.9 * min(distinct.std(), quartiles / 1.34 or distinct.std()) * len(distinct) ** -0.2  # Silverman
    margin = 4 * bandwidth
    counts, edges = np.histogram(distinct, _BINS, (distinct.min() - margin, distinct.max() + margin))
    density = gaussian_filter1d(counts.astype(float), bandwidth / (edges[1] - edges[0]), mode="constant")
    copies = linked(n, rows, columns, lengths <= _SHORT * np.median(lengths))
    first_of_copies = np.unique(copies, return_index=True)[1]
    gaps: list[tuple[float, float, int, float]] = []
    for valley in np.flatnonzero((density[1:-1] < density[:-2]) & (density[1:-1] <= density[2:])) + 1:
        depth = density[valley] / min(density[:valley].max(), density[valley:].max())
        cut = (edges[valley] + edges[valley + 1]) / 2
        long = scale > cut
        if long.sum() < max(_LEAST_DISTINCT, 0.01 * n):
            continue
        groups = linked(n, rows, columns, ~long)
        merged = np.bincount(groups[first_of_copies]) > 1
        if not _many(merged, groups):
            continue
        if depth > _GAP_DEPTH and np.median(_apartness(groups, rows, columns, lengths, long)[merged]) < _STANDS_APART:
            continue
        above = distinct > cut
        separation = above.mean() * (~above).mean() * (distinct[above].mean() - distinct[~above].mean()) ** 2
        # The middle between the two links around the valley, which an empty gap leaves open.
        ends = distinct[~above].max(), distinct[above].min()
        gaps.append((separation, ends[1] - ends[0], int(long.sum()), float(np.exp(sum(ends) / 2))))
    if not gaps:
        return None
    # The gap that separates the two sides best (Otsu's criterion). A stray link or two inside it make two gaps of it
    # that separate alike; the wider one is taken.
    n_long = max(gaps)[2]
    return max((width, cut) for _, width, count, cut in gaps if abs(count - n_long) <= _CHANCE_GROUPS)[1]


def _overlap(n: int, rows: np.ndarray, columns: np.ndarray, lengths: np.ndarray, seed: int) -> float | None:
    """The length at which a link is as likely one between distinct images as one between copies, or None."""
    from sklearn.mixture import GaussianMixture

    scale = np.log(np.sort(lengths[lengths > max(_SHORT * np.median(lengths), _EXACT)]))
    if len(scale) < 2 * _LEAST_DISTINCT:
        return None
    short, middle, long = np.quantile(scale, [0.05, 0.5, 0.95])
    if long - middle < _LONG_TAIL * (middle - short):
        return None
    sample = np.random.default_rng(seed).permutation(scale)[:_MOST_LINKS, None]
    mixture = GaussianMixture(2, n_init=2, random_state=seed).fit(sample)
    parts = np.argsort(mixture.means_[:, 0])
    means, variances = mixture.means_[parts, 0], mixture.covariances_[parts, 0, 0]
    if means[1] - means[0] < _PARTS_APART * np.sqrt(variances.mean()):
        return None
    between = np.linspace(means[0], means[1], _BINS)
    cut = between[np.argmax(mixture.predict_proba(between[:, None])[:, parts[1]] > 0.5)]
    groups = linked(n, rows, columns, lengths <= np.exp(cut))
    return float(np.exp(cut)) if _many(np.bincount(groups) > 1, groups) else None


def many_groups(merged: np.ndarray) -> bool:
    """True if many of all groups, (g,) bool, have several members; or if many of all rows are further copies."""
    return bool(merged.sum() >= _LEAST_GROUPS * len(merged) + _CHANCE_GROUPS)


def _many(merged: np.ndarray, groups: np.ndarray) -> bool:
    """True if many groups have several members, and none is a third of the pool."""
    return many_groups(merged) and np.bincount(groups).max() <= len(groups) / 3


def _apartness(
    groups: np.ndarray, rows: np.ndarray, columns: np.ndarray, lengths: np.ndarray, long: np.ndarray
) -> np.ndarray:
    """(g,) the shortest link that leaves a group over the longest one inside it; inf for single rows."""
    inside, outside = np.zeros(groups.max() + 1), np.full(groups.max() + 1, np.inf)
    np.maximum.at(inside, groups[rows[~long]], lengths[~long])
    for ends in (rows, columns):
        np.minimum.at(outside, groups[ends[long]], lengths[long])
    return outside / np.maximum(inside, _EXACT)


def groups_of_several(groups: np.ndarray) -> list[np.ndarray]:
    """The rows of every group of at least two, ascending."""
    order = np.argsort(groups, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    return [part for part in parts if len(part) > 1]


def linked(n: int, rows: np.ndarray, columns: np.ndarray, keep: np.ndarray | None = None) -> np.ndarray:
    """(n,) int64 connected components over some of the links, all by default."""
    if keep is not None:
        rows, columns = rows[keep], columns[keep]
    graph = csr_matrix((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(n, n))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _grouped(unit: np.ndarray, radius: float) -> np.ndarray:
    """(n,) int64 groups that pairs within the radius link, a tile of pairs at a time."""
    n = len(unit)
    # In double precision where that is affordable, because products in single keep no digits of small distances.
    wide = unit.astype(np.float64) if n * n / 2 * unit.shape[1] <= DOUBLE_WORK else unit
    limit = radius**2 + (1e-12 if wide.dtype == np.float64 else 1e-6)
    groups = np.arange(n)
    for start in range(0, n, _BLOCK):
        for begin in range(start, n, _BLOCK):
            i, j = np.nonzero(squared_distances(wide[start : start + _BLOCK], wide[begin : begin + _BLOCK]) <= limit)
            i, j = groups[start + i], groups[begin + j]
            apart = i != j
            if apart.any():
                groups = linked(n, i, j, apart)[groups]
    return np.unique(groups, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _centrality(unit: np.ndarray, groups: np.ndarray) -> np.ndarray:
    distance = np.zeros(len(groups), dtype=np.float32)
    rows = np.flatnonzero(np.bincount(groups)[groups] > 1)  # a single row is the middle of its group
    if not len(rows):
        return distance
    rows = rows[np.argsort(groups[rows], kind="stable")]
    group = np.unique(groups[rows], return_inverse=True)[1].reshape(-1)
    starts = np.searchsorted(group, np.arange(group[-1] + 2))
    for part in blocks(group[-1] + 1):
        edges = starts[part.start : part.stop + 1]
        members = rows[edges[0] : edges[-1]]
        own = group[edges[0] : edges[-1]] - part.start
        sizes = np.diff(edges)
        membership = csr_matrix((np.ones(len(members), dtype=np.float32), (own, members)), (len(sizes), len(unit)))
        means = (membership @ unit) / sizes[:, None]
        distance[members] = np.linalg.norm(unit[members] - means[own], axis=1)
    return distance
