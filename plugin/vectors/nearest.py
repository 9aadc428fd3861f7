"""The nearest of some rows by exact distances, on the processor or on a device: wherever the rows lie."""

from __future__ import annotations

from typing import Any

import numpy as np

#: Distances held at a time, by each thread.
BLOCK = 8_000_000
#: Rows beyond the k nearest that are compared exactly too, for those that rounding has put behind.
_SPARE = 8


def nearest_among(asked: Any, others: Any, ids: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Finds the nearest of some rows: by rounded distances, then in the order of exact ones.

    Args:
        asked: (m, d) float32, an array, or a tensor on the device that is to compute
        others: (q, d) float32 likewise
        ids: (q,) int64 what to call the others
        k: rows to find, at most q

    Returns:
        a tuple of (m, k) int64 ids and (m, k) float32 Euclidean distances, nearest first, of equals the lowest id first
    """
    held = min(k + _SPARE, len(others))
    if isinstance(asked, np.ndarray):
        columns, distances = _compiled(asked, others, held)
    else:
        from .torch_kernel import nearest_rows

        columns, distances = nearest_rows(asked, others, held)
    return nearest_first(ids[columns], distances, k)


def nearest_first(ids: np.ndarray, distances: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest of what was found, (m, q) each: nearest first, of equals the lowest id first."""
    order = np.lexsort((ids, distances))[:, :k]
    return np.take_along_axis(ids, order, axis=1), np.take_along_axis(distances, order, axis=1)


def without_self(ids: np.ndarray, distances: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Drops the row itself from what was found for it; among more copies than neighbours it may be missing, then the
    farthest goes.

    Args:
        ids: (m, k) what was found for m rows, nearest first
        distances: (m, k) how far it is
        own: (m,) what the rows themselves are called

    Returns:
        a tuple of (m, k - 1) ids and distances
    """
    other = ids != own[:, None]
    other[other.all(axis=1), -1] = False
    shape = len(ids), ids.shape[1] - 1
    return ids[other].reshape(shape), distances[other].reshape(shape)


def _compiled(asked: np.ndarray, others: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    from .product_kernel import exact_distances, nearest_columns

    columns = np.empty((len(asked), k), dtype=np.int64)
    distances = np.empty((len(asked), k), dtype=np.float32)
    step = max(1, BLOCK // len(others))
    for start in range(0, len(asked), step):
        part = slice(start, start + step)
        columns[part] = nearest_columns(squared_less_norms(asked[part], others), k)
        distances[part] = exact_distances(asked[part], others, columns[part])
    return columns, distances


def squared_less_norms(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(m, q) squared distances less the squared norms of ``a``, to rounding."""
    product = (-2 * a) @ b.T
    product += np.einsum("ij,ij->i", b, b)
    return product
