"""Near-duplicates among the kept images and in the whole collection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..seeds import check_seed
from ..vectors.near_duplicates import near_duplicates
from ..vectors.points import Points, as_points
from ..vectors.row_sets import usable_row_set


def redundant_groups(
    embeddings: Any,
    selected: Sequence[int] | np.ndarray,
    *,
    near_duplicate_radius: float | None = None,
    near_copies: np.ndarray | None = None,
    normalize: bool = True,
    seed: int = 0,
) -> list[np.ndarray]:
    """Lists the near-duplicate groups of the collection, what is kept of each before what it stands for.

    Args:
        embeddings: (n, d) embeddings, or :class:`Points`
        selected: kept rows, first to keep first, or an (n,) boolean mask
        near_duplicate_radius (None): distance up to which two images are linked; read from the data by default
        near_copies (None): (n,) group of near-copies of every image; if given, distances do not matter
        normalize (True): whether distances are taken between unit-length vectors
        seed (0): of the default radius

    Returns:
        one array of rows a group of at least two images: kept rows in their order, then the others nearest to the
        first one first. Groups that keep most repeats come first, then the larger ones

    Raises:
        CoresetError: if the embeddings or the selection cannot be used

    Examples:
        >>> groups = fc.redundant_groups(embeddings, selected=results.kept("50%"))
        >>> all(len(group) >= 2 for group in groups)
        True
    """
    seed = check_seed(seed)
    points = as_points(embeddings, normalize)
    kept = usable_row_set(selected, points)
    if near_copies is not None:
        group = near_copies[points.rows]
    else:
        group = near_duplicates(points.block(points.rows), radius=near_duplicate_radius, seed=seed).groups
    place = np.full(points.n, len(kept))
    place[kept] = np.arange(len(kept))
    order = np.lexsort((place[points.rows], group))
    members = np.split(points.rows[order], np.flatnonzero(np.diff(group[order])) + 1)
    found = [_nearest_first(points, rows, place) for rows in members if len(rows) > 1]
    return sorted(found, key=lambda rows: (-int((place[rows] < len(kept)).sum()), -len(rows), int(rows[0])))


def redundancy_metrics(groups: np.ndarray) -> dict[str, float]:
    """Redundancy of a set of images from its near-duplicate groups.

    Args:
        groups: (k,) group of every kept image, from :func:`.near_duplicates` over the kept images

    Returns:
        "near_duplicate_rate", "repeat_rate" and "duplicate_groups"
    """
    sizes = np.unique(groups, return_counts=True)[1]
    shared = sizes > 1
    return {
        "near_duplicate_rate": float(sizes[shared].sum() / len(groups)),
        "repeat_rate": float(1 - len(sizes) / len(groups)),
        "duplicate_groups": float(shared.sum()),
    }


def second_of_group_at(groups: np.ndarray) -> np.ndarray:
    """Finds from which budget on each image of a ranking is kept together with another one of its group.

    Args:
        groups: (r,) int group of every ranked image, first to keep first

    Returns:
        (r,) int64 budgets; r + 1 where a group has no other image
    """
    n = len(groups)
    order = np.argsort(groups, kind="stable")
    same_as_next = np.r_[groups[order][1:] == groups[order][:-1], False] if n else np.zeros(0, dtype=bool)
    same_as_last = np.r_[False, same_as_next[:-1]] if n else same_as_next
    at = np.full(n, n + 1, dtype=np.int64)
    at[order[same_as_last]] = order[same_as_last] + 1
    first = np.flatnonzero(same_as_next & ~same_as_last)
    at[order[first]] = order[first + 1] + 1
    return at


def _nearest_first(points: Points, rows: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Orders a group whose kept rows lead: the others by distance to its first row."""
    distance = points.distance(np.full(len(rows), rows[0]), rows)
    return rows[np.lexsort((distance, place[rows]))]
