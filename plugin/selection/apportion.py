"""Apportionment: how a number is divided among groups, and how groups take turns."""

from __future__ import annotations

import numpy as np


def apportion(shares: np.ndarray, k: int, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Divides a budget by largest remainder within bounds.

    Shares that hit a bound stay there and the rest is divided in proportion; fractions are rounded down and what is
    left goes to the largest remainders (Hamilton's method), earlier groups first among equals.

    Args:
        shares: (g,) positive float weights of the groups
        k: the budget, with ``lower.sum() <= k <= upper.sum()``
        lower: (g,) int, least per group
        upper: (g,) int, most per group

    Returns:
        (g,) int64 quotas that add up to ``k``
    """
    low, high = 0.0, float(upper.max() / shares.min()) + 1
    for _ in range(200):
        middle = (low + high) / 2
        if np.clip(middle * shares, lower, upper).sum() < k:
            low = middle
        else:
            high = middle
    exact = np.clip(high * shares, lower, upper)
    quota = np.floor(exact + 1e-9).astype(np.int64)
    remainder = exact - quota
    remainder[quota >= upper] = -1
    order = np.argsort(-remainder.round(9), kind="stable")
    short = k - int(quota.sum())
    quota[order[:short]] += 1
    return quota


def take_turns(order: np.ndarray, groups: np.ndarray, sizes: np.ndarray, taken: np.ndarray | None = None) -> np.ndarray:
    """Merges the orders of several groups so that every prefix is divided in proportion to ``sizes``.

    The j-th image of a group comes at position (j + 1/2) / size, which is Webster's method of apportionment: a prefix
    never takes an image back when it grows.

    Args:
        order: (m,) int rows, first to keep first
        groups: (n,) int group of every row
        sizes: (g,) positive numbers in whose proportion the groups take turns
        taken (None): (g,) int images each group has already

    Returns:
        (m,) int64, the rows of ``order`` merged; inside a group their order stays
    """
    group = groups[order]
    turn = places_within(group, len(sizes))
    if taken is not None:
        turn += taken[group]
    return order[np.lexsort((np.arange(len(order)), (turn + 0.5) / sizes[group]))]


def places_within(groups: np.ndarray, n_groups: int) -> np.ndarray:
    """(m,) int64 place of every element among those of its group, from 0.

    Args:
        groups: (m,) int group of every element
        n_groups: how many groups there are

    Examples:
        >>> places_within(np.array([0, 1, 0, 0, 1]), 2).tolist()
        [0, 0, 1, 2, 1]
    """
    counts = np.bincount(groups, minlength=n_groups)
    places = np.empty(len(groups), dtype=np.int64)
    places[np.argsort(groups, kind="stable")] = np.arange(len(groups)) - np.repeat(np.cumsum(counts) - counts, counts)
    return places
