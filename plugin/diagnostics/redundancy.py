"""Near-duplicates among the kept images and in the whole collection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..vectors.points import Points, as_points, as_selected
from ..vectors.radius import near_duplicate_distance

#: Largest number of images whose pairs are all compared.
EXACT_ROWS = 20_000

_BLOCK = 2048


def duplicate_groups(points: Points, rows: np.ndarray, near_duplicate: float) -> np.ndarray:
    """Groups images that are linked by near-duplicate pairs.

    All pairs are compared for up to 20,000 images. Beyond, links are looked for among the 10 nearest neighbours that
    NN-descent finds, so a few may be missed and a group may be split, never wrongly joined.

    Args:
        points: the embeddings
        rows: (m,) rows to group
        near_duplicate: distance up to which two images are linked

    Returns:
        (m,) int64 group numbers from 0
    """
    if len(rows) <= EXACT_ROWS:
        return _exact_groups(points, rows, near_duplicate)
    from ..vectors.near_duplicates import near_duplicates

    return near_duplicates(points.block(rows), threshold=near_duplicate).groups


def redundant_groups(
    embeddings: Any,
    selected: Sequence[int] | np.ndarray,
    *,
    near_duplicate: float | None = None,
    normalize: bool = True,
    seed: int = 0,
) -> list[np.ndarray]:
    """Lists the near-duplicate groups of the collection, what is kept of each before what it stands for.

    Args:
        embeddings: (n, d) embeddings, or :class:`Points`
        selected: kept rows, first to keep first, or an (n,) boolean mask
        near_duplicate (None): distance up to which two images are linked; :func:`near_duplicate_distance` by default
        normalize (True): whether distances are taken between unit-length vectors
        seed (0): of the default distance

    Returns:
        one array of rows a group of at least two images: kept rows in their order, then the others nearest to the
        first one first. Groups that keep most repeats come first, then the larger ones

    Raises:
        CoresetError: if the embeddings or the selection cannot be used
    """
    points = as_points(embeddings, normalize)
    kept = as_selected(selected, points)
    tau = near_duplicate_distance(points, seed=seed) if near_duplicate is None else near_duplicate
    group = duplicate_groups(points, points.rows, tau)
    place = np.full(points.n, len(kept))
    place[kept] = np.arange(len(kept))
    order = np.lexsort((place[points.rows], group))
    members = np.split(points.rows[order], np.flatnonzero(np.diff(group[order])) + 1)
    found = [_nearest_first(points, rows, place) for rows in members if len(rows) > 1]
    return sorted(found, key=lambda rows: (-int((place[rows] < len(kept)).sum()), -len(rows), int(rows[0])))


def redundancy_figures(groups: np.ndarray) -> dict[str, float]:
    """Redundancy of a set of images from its near-duplicate groups.

    Args:
        groups: (k,) group of every kept image, from :func:`duplicate_groups` over the kept images

    Returns:
        "near_duplicate_rate", "repeat_rate" and "duplicate_groups"
    """
    sizes = np.bincount(groups)
    shared = sizes > 1
    return {
        "near_duplicate_rate": float(sizes[shared].sum() / len(groups)),
        "repeat_rate": float(1 - len(sizes) / len(groups)),
        "duplicate_groups": float(shared.sum()),
    }


def _nearest_first(points: Points, rows: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Orders a group whose kept rows lead: the others by distance to its first row."""
    distance = points.distance(np.full(len(rows), rows[0]), rows)
    return rows[np.lexsort((distance, place[rows]))]


def _exact_groups(points: Points, rows: np.ndarray, near_duplicate: float) -> np.ndarray:
    """Connected components of the near-duplicate graph, a tile of pairs at a time."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    dtype = points.work_dtype(len(rows), len(rows))
    limit = near_duplicate**2 + (1e-12 if dtype is np.float64 else 1e-6)
    group = np.arange(len(rows))
    for start in range(0, len(rows), _BLOCK):
        left = points.block(rows[start : start + _BLOCK], dtype)
        left_sq = np.einsum("ij,ij->i", left, left)[:, None]
        for begin in range(start, len(rows), _BLOCK):
            right = points.block(rows[begin : begin + _BLOCK], dtype)
            squared = left_sq + np.einsum("ij,ij->i", right, right) - 2 * (left @ right.T)
            i, j = np.nonzero(squared <= limit)
            i, j = group[start + i], group[begin + j]
            apart = i != j
            if apart.any():
                links = coo_matrix((np.ones(int(apart.sum()), bool), (i[apart], j[apart])), shape=(len(rows),) * 2)
                group = connected_components(links, directed=False)[1][group]
    return np.unique(group, return_inverse=True)[1].astype(np.int64)
