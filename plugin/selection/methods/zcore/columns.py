"""Embeddings by dimension, as ZCore's draws read them, and what is prepared of each dimension once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from .engine import Workers

#: Quantile cells of a dimension.
CODES = 256
#: Values that a packed number may have.
_LEVELS = 2**16


class Tables(NamedTuple):
    """What is prepared of all dimensions, once.

    Attributes:
        codes: (d, n) uint8 quantile cell of each value, of 256; (d, 65536), of each value there may be, if packed
        edges: (d, 257) float edges of these cells
        triangles: (d, 3) float64 minimum, median and maximum
    """

    codes: np.ndarray
    edges: np.ndarray
    triangles: np.ndarray


@dataclass(frozen=True)
class PackedColumns:
    """Embeddings of 16 bits a number: one of 65,536 between the least and the largest of its dimension.

    A draw reads two dimensions of all images, so no more than these are ever unpacked.

    Attributes:
        values: (d, n) uint16
        lows: (d,) float32 what 0 stands for
        steps: (d,) float32 what 1 adds to that
    """

    values: np.ndarray
    lows: np.ndarray
    steps: np.ndarray

    #: Of the numbers that are unpacked.
    dtype = np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        """(dimensions, images)."""
        return self.values.shape

    def unpack(self, dims: np.ndarray) -> np.ndarray:
        """(m, n) float32 of (m,) dimensions."""
        return np.stack([self._read(dim, self.values[dim]) for dim in dims])

    def cells(self, dims: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """(m, n) uint8 quantile cells of (m,) dimensions, by the ``codes`` of their :class:`Tables`."""
        return np.stack([codes[dim].take(self.values[dim]) for dim in dims])

    def ordered(self, dim: int) -> np.ndarray:
        """(n,) float32 of a dimension in ascending order."""
        return self._read(dim, np.sort(self.values[dim], kind="stable"))  # counts 16 bits instead of comparing them

    def levels(self, dim: int) -> np.ndarray:
        """(65536,) float32 values that a dimension may have."""
        return self._read(dim, np.arange(_LEVELS, dtype=np.uint16))

    def _read(self, dim: int, values: np.ndarray) -> np.ndarray:
        return values * self.steps[dim] + self.lows[dim]

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.unpack(np.arange(len(self.values)))


def pack_steps(lows: np.ndarray, highs: np.ndarray) -> np.ndarray:
    """(d,) float32 steps that lead from the least to the largest value of every dimension."""
    return ((highs.astype(np.float64) - lows) / (_LEVELS - 1)).astype(np.float32)


def pack(vectors: np.ndarray, lows: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """(d, m) uint16 nearest to (m, d) vectors, see :class:`PackedColumns`."""
    whole = np.where(steps > 0, steps, 1)
    return np.rint(np.clip((vectors - lows) / whole, 0, _LEVELS - 1)).astype(np.uint16).T


def make_tables(columns: np.ndarray | PackedColumns, workers: Workers, codes: np.ndarray | None = None) -> Tables:
    """Orders every dimension: its triangular distribution, and the quantile cells of its values.

    Args:
        columns: (d, n) embeddings
        workers: for the work
        codes (None): (d, n) uint8 where the cells are written, such as a file; memory by default

    Returns:
        the tables
    """
    from .grid import encode_column

    d, n = columns.shape
    packed = isinstance(columns, PackedColumns)
    if codes is None:
        codes = np.empty((d, _LEVELS if packed else n), dtype=np.uint8)
    tables = Tables(codes, np.empty((d, CODES + 1), dtype=columns.dtype), np.empty((d, 3)))

    def prepare(dim: int) -> None:
        if isinstance(columns, PackedColumns):
            ordered, values = columns.ordered(dim), columns.levels(dim)
        else:
            ordered, values = np.sort(columns[dim]), columns[dim]
        middle = (float(ordered[(n - 1) // 2]) + float(ordered[n // 2])) / 2
        tables.triangles[dim] = ordered[0], middle, ordered[-1]
        tables.edges[dim] = ordered[np.linspace(0, n - 1, CODES + 1).round().astype(np.int64)]
        encode_column(values, tables.edges[dim], tables.codes[dim])

    for _ in workers.map(prepare, iter(range(d))):
        pass
    return tables
