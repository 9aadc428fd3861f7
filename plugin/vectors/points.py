"""Embedding rows made ready for distances, a block at a time, so that a memmap stays on disk."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import CoresetError
from .matrix import as_matrix, normalized
from .row_hash import seeded_order

#: Added to a seed, so that a sample has nothing to do with the order in which methods see the rows.
_OWN_SEEDS = 2**33

#: Largest number of distances held at once (float32: 128 MB).
_TILE = 32 * 1024**2

_TILE_COLUMNS = 16_384

#: Below this many multiplications distances are found in float64, exact to about 1e-8.
DOUBLE_WORK = 5e9


class Points:
    """The usable rows of an embedding matrix, read in blocks.

    Args:
        embeddings: (n, d) array, memmap, ``.npy`` path, or sequence of vectors with ``None`` for missing ones; rows
            that are missing or not finite take part in nothing
        normalize (True): whether to scale rows to unit length, so that distances are ``sqrt(2 - 2 cos)``; rows of
            zeros stay zero. Otherwise plain Euclidean distances on the rows as they are
        are_unit (False): whether the rows are float32 of unit length already, NaN where missing; they are not checked

    Attributes:
        n: number of rows, usable or not
        rows: (v,) the usable rows, ascending
    """

    def __init__(self, embeddings: Any, normalize: bool = True, *, are_unit: bool = False):
        self._matrix: np.ndarray
        self._matrix, valid = (embeddings, np.isfinite(embeddings[:, 0])) if are_unit else as_matrix(embeddings)
        self.normalize = normalize
        self._are_unit = are_unit
        self.n = len(self._matrix)
        self.rows = np.flatnonzero(valid)
        if not len(self.rows):
            raise CoresetError(f"none of the {self.n} rows has a finite embedding; compute embeddings first")
        # Distances do not change when the origin moves, but far from it float32 loses their digits.
        head = self.rows[:: max(1, len(self.rows) // 10_000)]
        self._center = 0.0 if normalize else self._matrix[head].mean(axis=0, dtype=np.float64)

    @property
    def dim(self) -> int:
        """Dimension of the embeddings."""
        return self._matrix.shape[1]

    def block(self, rows: np.ndarray, dtype: type = np.float32) -> np.ndarray:
        """The given rows as a (len(rows), d) matrix ready for distances."""
        block = self._matrix[rows].astype(np.float64 if dtype is np.float64 else self._matrix.dtype)
        if not self.normalize:
            return (block - self._center).astype(dtype, copy=False)
        return (block if self._are_unit else normalized(block)).astype(dtype, copy=False)

    def distance(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Distances between paired rows, by direct subtraction in float64."""
        out = np.empty(len(left))
        step = max(1, _TILE // (8 * self.dim))
        for start in range(0, len(left), step):
            part = slice(start, start + step)
            delta = self.block(left[part], np.float64) - self.block(right[part], np.float64)
            out[part] = np.sqrt(np.einsum("ij,ij->i", delta, delta))
        return out

    def work_dtype(self, n_left: int, n_right: int) -> type:
        """float64 where it costs no more than about a second, else float32, as rows of unit length are already."""
        return np.float64 if not self._are_unit and n_left * n_right * self.dim <= DOUBLE_WORK else np.float32

    def sample(self, size: int, seed: int) -> np.ndarray:
        """At most ``size`` usable rows, drawn by their content, so that the order of the rows does not matter."""
        if size >= len(self.rows):
            return self.rows
        return np.sort(seeded_order(self._matrix, seed + _OWN_SEEDS, self.rows)[:size])


def as_points(embeddings: Any, normalize: bool = True) -> Points:
    """Wraps embeddings once; ``Points`` pass through."""
    return embeddings if isinstance(embeddings, Points) else Points(embeddings, normalize)


def tile_shape(n_rows: int, n_columns: int) -> tuple[int, int]:
    """Block sizes (rows, columns) whose distance matrix stays within the memory bound."""
    columns = min(n_columns, _TILE_COLUMNS)
    return max(1, min(n_rows, _TILE // max(columns, 1))), columns
