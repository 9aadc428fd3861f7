"""Rows named by their indices or by a mask: read and checked in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CoresetError

if TYPE_CHECKING:
    from .points import Points


def row_set(rows: Any, n: int, name: str) -> np.ndarray:
    """Reads a set of rows.

    Args:
        rows: row indices, an (n,) bool mask, or None for no row
        n: number of rows there are
        name: what to call the set in error messages

    Returns:
        (m,) int64 distinct row indices, in the order given

    Raises:
        CoresetError: if it is neither, an index is out of range, or one appears twice

    Examples:
        >>> row_set([False, True, True], 3, "preselected")
        array([1, 2])
    """
    if rows is None:
        return np.empty(0, dtype=np.int64)
    try:
        rows = np.asarray(rows)
    except ValueError as error:  # lists of different lengths
        raise CoresetError(f"{name}: expected row indices or an (n,) bool mask ({error})") from error
    if rows.dtype == bool:
        if rows.shape != (n,):
            raise CoresetError(f"{name}: a mask must have one entry for each of the {n} rows, got shape {rows.shape}")
        return np.flatnonzero(rows)
    if rows.size == 0:
        return np.empty(0, dtype=np.int64)
    if rows.ndim != 1 or rows.dtype.kind not in "iu":
        raise CoresetError(f"{name}: expected row indices or an (n,) bool mask, got {rows.dtype} of shape {rows.shape}")
    if rows.min() < 0 or rows.max() >= n:
        raise CoresetError(f"{name}: row indices must lie in 0..{n - 1}, got {rows.min()}..{rows.max()}")
    n_repeats = len(rows) - len(np.unique(rows))
    if n_repeats:
        raise CoresetError(f"{name}: {n_repeats} row indices appear more than once; give every row once")
    return rows.astype(np.int64)


def row_mask(rows: np.ndarray, n: int) -> np.ndarray:
    """(n,) bool, True in the rows given.

    Args:
        rows: row indices, each in 0..n-1
        n: number of rows there are

    Returns:
        the mask

    Examples:
        >>> row_mask([1, 2], 3)
        array([False,  True,  True])
    """
    mask = np.zeros(n, dtype=bool)
    mask[rows] = True
    return mask


def usable_row_set(rows: Any, points: Points, name: str = "selected") -> np.ndarray:
    """Reads a subset of points: a set of rows that is not empty and has embeddings.

    Args:
        rows: row indices without repeats, or an (n,) bool mask
        points: the points it is a subset of
        name ("selected"): what to call it in error messages

    Returns:
        (k,) int64 row indices in the order given, k >= 1

    Raises:
        CoresetError: as :func:`row_set`, or if it is empty or has rows without an embedding
    """
    found = row_set(rows, points.n, name)
    if len(found) == 0:
        raise CoresetError(f"{name} is empty; choose a budget of at least one image")
    n_missing = int((~np.isin(found, points.rows)).sum())
    if n_missing:
        raise CoresetError(
            f"{name}: {n_missing} of {len(found)} rows have no finite embedding; leave them out or embed them"
        )
    return found
