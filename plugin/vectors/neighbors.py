"""One door to neighbour search: exact for pools of ordinary size, approximate for large ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from .device import gpu_for, named_if_full
from .matrix import as_matrix, blocks, normalized
from .nearest import nearest_among, nearest_first, without_self
from .threads import product_threads

#: Rows up to which neighbours are exact. Beyond, one per cent of the neighbours are missed, so distances can only be
#: over-estimated.
EXACT_LIMIT = 30_000
#: Rows up to which one distance matrix is the fastest way.
_MATRIX_ROWS = 512

_BLOCK_ROWS = 65_536
#: Rows that a thread searches at a time, and among how many: 32 MB of distances, of which a few are kept.
_PART_ROWS, _TILE_ROWS = 256, 30_000


def unit_rows(embeddings: Any) -> tuple[np.ndarray, np.ndarray]:
    """Scales every embedding to unit length.

    Args:
        embeddings: (n, d) embeddings in any form :func:`.matrix.as_matrix` reads

    Returns:
        a tuple of the (n, d) float32 matrix, where zero vectors stay zero and unusable rows hold NaN, and an (n,)
        bool array that is True in usable rows
    """
    matrix, valid = as_matrix(embeddings)
    unit = np.empty(matrix.shape, dtype=np.float32)
    for start in range(0, len(matrix), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        unit[rows] = normalized(np.where(valid[rows, None], matrix[rows], np.nan))
    return unit, valid


def pairwise_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Euclidean distances between the rows of two float32 matrices.

    Args:
        a: (n, d) float32, rows of about unit length
        b: (m, d) float32, likewise

    Returns:
        (n, m) float32; distances below 1e-3 are returned as 0, because the product keeps no digits of them
    """
    squared = squared_unit_distances(a, b)
    return np.sqrt(squared, out=squared)


def squared_unit_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """:func:`squared_distances` between unit rows; what rounding leaves between equal ones is set to 0."""
    squared = squared_distances(a, b)
    squared[squared < 1e-6] = 0
    return squared


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances by one product; rounding may leave small values of either sign in place of 0.

    Args:
        a: (n, d) float32 or float64
        b: (m, d) likewise

    Returns:
        (n, m) of the same dtype
    """
    squared = a @ b.T
    squared *= -2
    squared += np.einsum("ij,ij->i", a, a)[:, None]
    squared += np.einsum("ij,ij->i", b, b)[None]
    return squared


def nearest_neighbors(
    points: np.ndarray, k: int, *, seed: int = 0, num_workers: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Finds the nearest other rows of every row.

    Args:
        points: (n, d) float32
        k: neighbours per row; at most n - 1 are returned
        seed (0): seed of the approximate search
        num_workers (None): threads, by default all

    Returns:
        a tuple of (n, k) int32 neighbour indices and (n, k) float32 Euclidean distances, nearest first, the row itself
        never among them. Exact up to :data:`EXACT_LIMIT` rows, by :func:`.cells.cell_neighbors` beyond
    """
    n = len(points)
    k = min(k, n - 1)
    if k < 1:
        return np.empty((n, 0), dtype=np.int32), np.empty((n, 0), dtype=np.float32)
    if n > EXACT_LIMIT:
        from .cells import cell_neighbors

        # Where neighbours lie anywhere, a row meets as many rows as in the largest pool that is searched exactly.
        return cell_neighbors(points, k, seed, num_workers, most=EXACT_LIMIT)
    if n <= _MATRIX_ROWS:
        indices, distances = _all_pairs(points, k + 1)
    else:
        indices, distances = nearest_in(points, points, k + 1, num_workers=num_workers)
    return without_self(indices.astype(np.int32), distances, np.arange(n))


def nearest_in(
    queries: np.ndarray, points: np.ndarray, k: int, *, num_workers: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Finds the nearest rows of a pool for rows that are not in it; exact, in time (rows asked about) x (pool).

    Args:
        queries: (m, d) float32
        points: (n, d) float32
        k: neighbours a row; at most n are returned
        num_workers (None): threads, by default all

    Returns:
        a tuple of (m, k) int64 rows of ``points`` and (m, k) float32 Euclidean distances, nearest first
    """
    k = min(k, len(points))
    rows = np.arange(len(points))
    device = gpu_for(len(queries) * points.size, queries.nbytes + points.nbytes)
    if device is not None:
        from .torch_kernel import put

        with named_if_full(device):
            return nearest_among(put(queries, device), put(points, device), rows, k)

    def search(part: slice) -> tuple[np.ndarray, np.ndarray]:
        tiles = blocks(len(points), _TILE_ROWS)
        found = [nearest_among(queries[part], points[tile], rows[tile], min(k, len(rows[tile]))) for tile in tiles]
        ids, distances = (np.hstack(each) for each in zip(*found, strict=True))
        return nearest_first(ids, distances, k)

    parts = blocks(len(queries), _PART_ROWS)
    with product_threads(num_workers) as threads:
        found = list(threads.map(search, parts))
    indices, distances = (np.concatenate(each) for each in zip(*found, strict=True))
    return indices, distances


def isolation(points: np.ndarray, k: int = 10, *, seed: int = 0, num_workers: int | None = None) -> np.ndarray:
    """How far every row lies from its neighbours.

    Args:
        points: (n, d) float32
        k (10): neighbours to average over
        seed (0): seed of the approximate search
        num_workers (None): threads

    Returns:
        (n,) float32 mean Euclidean distances to the ``k`` nearest other rows; 0 if there is none
    """
    distances = nearest_neighbors(points, k, seed=seed, num_workers=num_workers)[1]
    return distances.mean(axis=1) if distances.shape[1] else np.zeros(len(points), dtype=np.float32)


def _all_pairs(points: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    # In double precision, where the product keeps the digits of near copies; no set-up cost for a small cluster.
    wide = points.astype(np.float64)
    distances = np.sqrt(np.maximum(squared_distances(wide, wide), 0))
    np.fill_diagonal(distances, 0)
    indices = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return indices, np.take_along_axis(distances, indices, axis=1).astype(np.float32)
