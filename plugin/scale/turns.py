"""Turns of cells: how many rows each gives to the first k, and in which order they come."""

from __future__ import annotations

import heapq

import numpy as np


def turn_counts(sizes: np.ndarray, k: int) -> np.ndarray:
    """How many rows every cell gives where cells take turns in proportion to their sizes.

    Row j of a cell comes at (j + 1/2) / size, which is Webster's method of apportionment, the rule of
    :func:`.apportion.take_turns`; so what cells give to a smaller k is the beginning of what they give to a larger one.

    Args:
        sizes: (c,) int64 rows of every cell
        k: rows wanted in all, at most the sum of the sizes

    Returns:
        (c,) int64 that add up to k

    Examples:
        >>> turn_counts(np.array([60, 30, 10]), 10).tolist()
        [6, 3, 1]
    """
    low, high = 0.0, 2.0
    for _ in range(60):
        middle = (low + high) / 2
        if np.floor(middle * sizes + 0.5).sum() <= k:
            low = middle
        else:
            high = middle
    counts = np.minimum(np.floor(low * sizes + 0.5).astype(np.int64), sizes)
    queue = [((count + 0.5) / size, cell) for cell, (count, size) in enumerate(zip(counts, sizes, strict=True)) if size]
    heapq.heapify(queue)
    for _ in range(k - int(counts.sum())):
        _, cell = heapq.heappop(queue)
        counts[cell] += 1
        if counts[cell] < sizes[cell]:
            heapq.heappush(queue, ((counts[cell] + 0.5) / sizes[cell], cell))
    return counts


def merge_turns(places: np.ndarray, cells: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Merges the orders of cells by turns.

    Args:
        places: (m,) int place of every row in the order of its cell, from 0
        cells: (m,) int cell of every row
        sizes: (c,) rows of every cell

    Returns:
        (m,) int64 the rows in merged order; of equal turns the lower cell comes first
    """
    return np.lexsort((cells, (places + 0.5) / sizes[cells]))
