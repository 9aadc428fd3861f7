"""Turns of cells: how many rows each gives to the first k, and in which order they come."""

from __future__ import annotations

import heapq

import numpy as np


def turn_counts(
    sizes: np.ndarray, k: int, shares: np.ndarray | None = None, taken: np.ndarray | None = None
) -> np.ndarray:
    """How many rows every cell gives where cells take turns in proportion to their shares.

    Row j of a cell comes at (j + 1/2) / share, which is Webster's method of apportionment, the rule of
    :func:`.apportion.take_turns`; so what cells give to a smaller k is the beginning of what they give to a larger one.

    Args:
        sizes: (c,) int64 rows of every cell
        k: rows wanted in all, at most the sum of the sizes
        shares (None): (c,) positive numbers; the sizes by default
        taken (None): (c,) int64 rows that every cell has given before its first turn, which counts them; at most k

    Returns:
        (c,) int64 that add up to k, at least what was taken

    Examples:
        >>> turn_counts(np.array([60, 30, 10]), 10).tolist()
        [6, 3, 1]
    """
    shares = sizes if shares is None else shares
    least = np.zeros_like(sizes) if taken is None else taken

    def until(turn: float) -> np.ndarray:
        return np.clip(np.floor(turn * shares + 0.5), least, sizes).astype(np.int64)

    low, high = 0.0, 2 * float((sizes / np.maximum(shares, 1e-300)).max()) + 1
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if until(middle).sum() <= k else (low, middle)
    counts = until(low)
    queue = [((counts[cell] + 0.5) / shares[cell], cell) for cell in np.flatnonzero(counts < sizes)]
    heapq.heapify(queue)
    for _ in range(k - int(counts.sum())):
        _, cell = heapq.heappop(queue)
        counts[cell] += 1
        if counts[cell] < sizes[cell]:
            heapq.heappush(queue, ((counts[cell] + 0.5) / shares[cell], cell))
    return counts


def merge_turns(places: np.ndarray, cells: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Merges the orders of cells by turns.

    Args:
        places: (m,) int place of every row in the order of its cell, from 0
        cells: (m,) int cell of every row
        shares: (c,) positive numbers in whose proportion the cells take turns

    Returns:
        (m,) int64 the rows in merged order; of equal turns the lower cell comes first
    """
    return np.lexsort((cells, (places + 0.5) / shares[cells]))
