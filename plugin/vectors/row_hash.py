"""Rows told apart, and put in order, by a hash of their content, so that nothing follows the order of files."""

from __future__ import annotations

import numpy as np

_BLOCK_ROWS = 8192
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def row_keys(matrix: np.ndarray, seed: int = 0) -> np.ndarray:
    """A 64-bit key of every row's bits; equal rows have equal keys, and -0 counts as 0.

    Args:
        matrix: (n, d) float32 or float64, without NaN
        seed (0): another seed gives other keys

    Returns:
        (n,) uint64; different rows share a key with a chance of at most about 2**-40 a pair
    """
    rng = np.random.default_rng([seed, 0x5EED])
    multipliers = rng.integers(0, 2**63, size=matrix.shape[1] * matrix.itemsize // 4, dtype=np.uint64) * 2 + 1
    keys = np.empty(len(matrix), dtype=np.uint64)
    for start in range(0, len(matrix), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        # Adding 0 turns -0 into 0. Words of 32 bits, because products keep too little of a word whose low bits are 0.
        words = (np.ascontiguousarray(matrix[rows]) + matrix.dtype.type(0)).view(np.uint32)
        keys[rows] = words.astype(np.uint64) @ multipliers
    return keys


def distinct_rows(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Finds exact duplicates, far faster than sorting rows.

    Args:
        matrix: (n, d) float32 or float64, without NaN

    Returns:
        a tuple of (m,) row indices, the first of each distinct row, and (n,) int, the position of each row's distinct
        row in it
    """
    _, first, row_of = np.unique(row_keys(matrix), return_index=True, return_inverse=True)
    return first, row_of.reshape(-1)


def seeded_order(X: np.ndarray, seed: int) -> np.ndarray:
    """Shuffles rows by their content, so that permuted input gives the same order of the same rows.

    Args:
        X: (n, d) float32
        seed: the random seed

    Returns:
        (n,) int64 permutation: row contents in hashed order; equal rows are spread like independent ones
    """
    key = row_keys(X, seed)
    first = np.argsort(key, kind="stable")
    same = np.r_[False, key[first][1:] == key[first][:-1]]
    # Occurrence number of every row among its copies, so that copies do not stay side by side.
    positions = np.arange(len(X))
    run_start = np.maximum.accumulate(np.where(same, 0, positions))
    copy = np.empty(len(X), dtype=np.uint64)
    copy[first] = (positions - run_start).astype(np.uint64)
    return np.argsort(_mix(key + copy * _GOLDEN), kind="stable")


def _mix(x: np.ndarray) -> np.ndarray:
    """The finalizer of SplitMix64: neighbouring keys end far apart."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
