"""How two rounds of predictions on the same rows compare: agreement, and the change of accuracy."""

from __future__ import annotations

import math

import numpy as np


def cohen_kappa(before: np.ndarray, after: np.ndarray) -> float:
    """Agreement of two predictions beyond chance (Cohen 1960); 1 if they agree everywhere, even on one class alone.

    Args:
        before: (n,) predicted classes
        after: (n,) predicted classes of the same rows

    Returns:
        at most 1; 0 is what chance gives, NaN without rows

    Examples:
        >>> cohen_kappa(np.array([0, 1, 1, 0]), np.array([0, 1, 0, 1]))
        0.0
    """
    if len(before) == 0:
        return math.nan
    agreed = float((before == after).mean())
    if agreed == 1.0:  # the plain formula may be 0/0
        return 1.0
    classes = np.unique(np.concatenate([before, after]))
    shares = [np.array([(rows == c).mean() for c in classes]) for rows in (before, after)]
    chance = float(shares[0] @ shares[1])
    return (agreed - chance) / (1 - chance)


def f1_bound(kappa: float) -> float:
    """The most by which the F1 score can have changed between two predictions (Bloodgood and Grothendieck 2013).

    Args:
        kappa: their agreement

    Returns:
        ``4 (1 - kappa) / kappa``; infinite without agreement
    """
    return 4 * (1 - kappa) / kappa if kappa > 0 else math.inf


def paired_change(before: np.ndarray, after: np.ndarray) -> tuple[float, float]:
    """The change of accuracy on the same test images; images on which nothing changed add no noise.

    Args:
        before: (m,) bool, which images the earlier model got right
        after: (m,) bool, which the later one

    Returns:
        the change ``(n01 - n10) / m`` and its standard error ``sqrt((n01 + n10) / m - change^2) / sqrt(m)``

    Examples:
        >>> change, error = paired_change(np.array([False] * 4), np.array([True, False, False, False]))
        >>> round(change, 2), round(error, 3)
        (0.25, 0.217)
    """
    m = len(before)
    gained, lost = int((after & ~before).sum()), int((before & ~after).sum())
    change = (gained - lost) / m
    return change, math.sqrt((gained + lost) / m - change**2) / math.sqrt(m)
