"""Rows told apart, and put in order, by a hash of their content, so that nothing follows the order of files."""

from __future__ import annotations

import numpy as np

from .matrix import row_blocks

_BLOCK_ROWS = 8192
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def row_keys(matrix: np.ndarray, seed: int = 0, dtype: type | None = None) -> np.ndarray:
    """A 64-bit key of every row's bits; equal rows have equal keys, and -0 counts as 0.

    Args:
        matrix: (n, d) float32 or float64, without NaN; a memmap is read block by block
        seed (0): another seed gives other keys
        dtype (None): the type to which values are rounded first; by default they stay as they are

    Returns:
        (n,) uint64; different rows share a key with a chance of at most about 2**-40 a pair
    """
    kind = np.dtype(dtype or matrix.dtype)
    rng = np.random.default_rng([seed, 0x5EED])
    multipliers = rng.integers(0, 2**63, size=matrix.shape[1] * kind.itemsize // 4, dtype=np.uint64) * 2 + 1
    keys = np.empty(len(matrix), dtype=np.uint64)
    for rows, block in row_blocks(matrix, _BLOCK_ROWS):
        # Adding 0 turns -0 into 0. Words of 32 bits, because products keep too little of a word whose low bits are 0.
        words = (np.ascontiguousarray(block, dtype=kind) + kind.type(0)).view(np.uint32)
        keys[rows] = np.einsum("ij,j->i", words, multipliers)  # a product of integers takes three times as long
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


def seeded_order(X: np.ndarray, seed: int, rows: np.ndarray | None = None) -> np.ndarray:
    """Shuffles rows by their content, so that permuted input gives the same order of the same rows.

    Args:
        X: (N, d) float32 or float64; a memmap is read block by block, and float64 counts as rounded to float32
        seed: the random seed
        rows (None): (n,) int64 the rows of ``X`` to shuffle; all by default

    Returns:
        (n,) int64, ``rows`` in hashed order of their content; equal rows are spread like independent ones
    """
    rows = np.arange(len(X)) if rows is None else rows
    with np.errstate(over="ignore"):  # rows that are not asked for may hold anything
        key = row_keys(X, seed, np.float32)[rows]
    first = np.argsort(key, kind="stable")
    same = np.r_[False, key[first][1:] == key[first][:-1]]
    # Occurrence number of every row among its copies, so that copies do not stay side by side.
    positions = np.arange(len(key))
    run_start = np.maximum.accumulate(np.where(same, 0, positions))
    copy = np.empty(len(key), dtype=np.uint64)
    copy[first] = (positions - run_start).astype(np.uint64)
    return rows[np.argsort(_mix(key + copy * _GOLDEN), kind="stable")]


def _mix(x: np.ndarray) -> np.ndarray:
    """The finalizer of SplitMix64: neighbouring keys end far apart."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
