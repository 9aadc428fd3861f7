"""Distance from every image to its nearest kept image: the pass that coverage and redundancy are read from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..progress import ProgressCallback, reporting
from ..vectors.points import Points, as_points, tile_shape
from ..vectors.row_sets import usable_row_set


@dataclass(frozen=True)
class NearestSelected:
    """The nearest kept image of each evaluated image.

    Attributes:
        rows: (m,) evaluated rows of the embedding matrix
        distance: (m,) float64 distance to the nearest kept image; inf where there is none
        nearest: (m,) row of that kept image; -1 where there is none
        dropped: (m,) bool, True where the evaluated image itself is not kept
    """

    rows: np.ndarray
    distance: np.ndarray
    nearest: np.ndarray
    dropped: np.ndarray


def nearest_selected(
    embeddings: Any,
    selected: Sequence[int] | np.ndarray,
    *,
    rows: np.ndarray | None = None,
    exclude_self: bool = False,
    normalize: bool = True,
    progress: bool | ProgressCallback | None = False,
) -> NearestSelected:
    """Finds the nearest kept image of every image, exactly, in blocks of bounded memory.

    The candidate is found by matrix product and its distance recomputed by subtraction, since ``2 - 2 cos`` loses
    all digits for near-duplicates. Up to 5e9 multiplications the product is float64; above that it is float32, which
    may return a neighbour up to 1e-3 (unit vectors) farther than the nearest.

    Args:
        embeddings: (n, d) embeddings, or :class:`Points`
        selected: kept rows, or an (n,) boolean mask
        rows (None): the rows to evaluate; all that have an embedding by default
        exclude_self (False): whether a kept image must look for *another* kept image
        normalize (True): whether distances are taken between unit-length vectors
        progress (False): ``True`` for a bar, or a function ``(fraction, message)``

    Returns:
        a :class:`NearestSelected`

    Raises:
        CoresetError: if the embeddings or the selection cannot be used
    """
    points = as_points(embeddings, normalize)
    kept = usable_row_set(selected, points)
    rows = points.rows if rows is None else np.asarray(rows, dtype=np.int64)
    dropped = ~np.isin(rows, kept)
    nearest = np.empty(len(rows), dtype=np.int64)
    step, _ = tile_shape(len(rows), len(kept))
    with reporting(progress, "Nearest kept image") as report:
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            nearest[part] = _nearest_block(points, rows[part], kept, exclude_self, len(rows))
            report(min(1.0, (start + step) / len(rows)), f"{min(start + step, len(rows)):,} of {len(rows):,}")
    if not exclude_self:
        nearest[~dropped] = rows[~dropped]
    found = nearest >= 0
    distance = np.full(len(rows), np.inf)
    distance[found] = points.distance(rows[found], nearest[found])
    return NearestSelected(rows, distance, nearest, dropped)


def _nearest_block(points: Points, rows: np.ndarray, kept: np.ndarray, exclude_self: bool, n_rows: int) -> np.ndarray:
    """Nearest kept row of each of a block of rows."""
    dtype = points.work_dtype(n_rows, len(kept))
    left = points.block(rows, dtype)
    best: np.ndarray = np.full(len(rows), -np.inf, dtype=dtype)
    nearest = np.full(len(rows), -1, dtype=np.int64)
    _, step = tile_shape(len(rows), len(kept))
    each = np.arange(len(rows))
    for start in range(0, len(kept), step):
        columns = kept[start : start + step]
        right = points.block(columns, dtype)
        # |x - y|^2 = |x|^2 - 2 (x.y - |y|^2 / 2): the bracket is largest where the distance is smallest.
        closeness = left @ right.T
        closeness -= np.einsum("ij,ij->i", right, right) / 2
        if exclude_self:
            mask_self(closeness, rows, columns)
        winner = closeness.argmax(axis=1)
        value = closeness[each, winner]
        better = value > best
        best[better] = value[better]
        nearest[better] = columns[winner[better]]
    return nearest


def mask_self(closeness: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> None:
    """Rules out the pairs of an image with itself."""
    order = np.argsort(columns)
    at = np.minimum(np.searchsorted(columns, rows, sorter=order), len(columns) - 1)
    own = columns[order[at]] == rows
    closeness[own, order[at[own]]] = -np.inf
