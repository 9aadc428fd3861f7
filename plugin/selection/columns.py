"""Arguments that hold one value per row, checked in one place."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import Any

import numpy as np

from ..errors import CoresetError


def column(values: Any, n: int, name: str) -> np.ndarray | None:
    """(n,) object array of one value per row."""
    if values is None:
        return None
    if not isinstance(values, Collection) or (isinstance(values, np.ndarray) and values.ndim == 0):
        raise CoresetError(f"{name} must hold one value for each of the {n} rows, got {type(values).__name__}")
    if len(values) != n:
        raise CoresetError(f"{name} has {len(values)} entries but there are {n} rows; pass one per row")
    found = np.empty(n, dtype=object)
    for row, value in enumerate(values):
        if not isinstance(value, Hashable):
            raise CoresetError(f"{name} must hold one value a row, but that of row {row} is a {type(value).__name__}")
        found[row] = value
    return found


def real(values: Any) -> np.ndarray:
    """Values as float64.

    Raises:
        TypeError: if they are complex, which numpy would cut, or dates or structures, which it would turn into numbers
        ValueError: if they are not numbers
    """
    found = np.asarray(values)
    if found.dtype.kind not in "biufUSO":
        raise TypeError(f"they are {found.dtype}")
    return found.astype(np.float64)


def numbers(values: Any, n: int, name: str) -> np.ndarray:
    """(n,) float64 array of one number per row."""
    try:
        found = real(values)
    except (TypeError, ValueError) as error:
        raise CoresetError(f"{name} must be numbers ({error}); pass one per row") from error
    if found.shape != (n,):
        raise CoresetError(f"{name} has shape {found.shape} but there are {n} rows; pass one number per row")
    return found


def positive_weights(weights: Any, rows: np.ndarray, n: int) -> np.ndarray:
    """Float64 weights of some of n rows, 1 on average."""
    if weights is None:
        return np.ones(len(rows))
    found = numbers(weights, n, "weights")[rows]
    bad = ~(np.isfinite(found) & (found > 0))
    if bad.any():
        raise CoresetError(
            f"weights must be positive finite numbers, {bad.sum()} are not; use excluded= to leave rows out"
        )
    return found / found.mean()
