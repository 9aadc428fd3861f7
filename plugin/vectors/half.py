"""Vectors in half precision, of any scale: what a run keeps of vectors that are stored nowhere else."""

from __future__ import annotations

import numpy as np

from .matrix import row_blocks

#: Bytes of half-precision vectors that a run stores: 131,072 vectors of 512 numbers. Whoever loads the run reads them
#: all. Measured on a machine of two cores with 512 random numbers each: twice as many took 6 to 7 s of one core to load
#: and 19 s to write, half as many 1.4 s and 5 s.
MAX_STORED = 2**27


def half_bytes(matrix: np.ndarray) -> int:
    """Bytes that a matrix takes in half precision."""
    return 2 * matrix.size


def to_half(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rounds vectors to half precision; each is divided by a power of two first, so that none overflows or vanishes.

    Args:
        matrix: (n, d) finite float32 or float64

    Returns:
        a tuple of (n, d) float16 between -1 and 1 and the (n,) int16 exponents of the powers of two

    Example::

        assert np.array_equal(from_half(*to_half(np.array([[2.0**90, 0.0], [2.0, 3.0]]))), [[2.0**90, 0.0], [2.0, 3.0]])
    """
    halves, exponents = np.empty(matrix.shape, np.float16), np.empty(len(matrix), np.int16)
    for rows, block in row_blocks(matrix):
        exponents[rows] = exponent = np.frexp(np.abs(block).max(axis=1))[1]
        halves[rows] = np.ldexp(block, -exponent[:, None])
    return halves, exponents


def from_half(halves: np.ndarray, exponents: np.ndarray) -> np.ndarray:
    """The (n, d) float32 vectors that :func:`to_half` has rounded."""
    return np.ldexp(halves.astype(np.float32), exponents[:, None])
