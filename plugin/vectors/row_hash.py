"""A number a row, by which equal rows are known without comparing them."""

from __future__ import annotations

import numpy as np

_BLOCK_ROWS = 65_536


def row_hashes(matrix: np.ndarray) -> np.ndarray:
    """Hashes the bits of every row, in blocks, far faster than sorting rows.

    Args:
        matrix: (n, d) float32 or float64; -0.0 counts as 0.0

    Returns:
        (n,) uint64; rows that differ in any bit differ here, but for one pair in 2**64

    Example::

        hashes = row_hashes(np.float32([[1, 3], [2, 6], [1, 3]]))
        assert hashes[0] == hashes[2] != hashes[1]
    """
    multipliers = np.random.default_rng(0).integers(1, 2**63, size=matrix.shape[1], dtype=np.uint64) | np.uint64(1)
    hashes = np.empty(len(matrix), dtype=np.uint64)
    bits = np.uint32 if matrix.dtype == np.float32 else np.uint64
    for start in range(0, len(matrix), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        block = np.ascontiguousarray(matrix[rows]) + matrix.dtype.type(0)  # turns -0.0 into 0.0
        mixed = block.view(bits).astype(np.uint64) * multipliers
        hashes[rows] = (mixed ^ (mixed >> np.uint64(29))).sum(axis=1, dtype=np.uint64)
    return hashes
