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
    """Embeddings of 16 bits a number: one of 65,536 levels of its dimension.

    A draw reads two dimensions of all images, so no more than these are ever unpacked.

    Attributes:
        values: (d, n) uint16
        levels: (d, 65536) float32 what these stand for, ascending
    """

    values: np.ndarray
    levels: np.ndarray

    #: Of the numbers that are unpacked.
    dtype = np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        """(dimensions, images)."""
        return self.values.shape

    def unpack(self, dims: np.ndarray) -> np.ndarray:
        """(m, n) float32 of (m,) dimensions."""
        return _look_up(self.levels, self.values, dims)

    def cells(self, dims: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """(m, n) uint8 quantile cells of (m,) dimensions, by the ``codes`` of their :class:`Tables`."""
        return _look_up(codes, self.values, dims)

    def ordered(self, dim: int) -> np.ndarray:
        """(n,) float32 of a dimension in ascending order."""
        # counts 16 bits instead of comparing them
        return self.levels[dim].take(np.sort(self.values[dim], kind="stable"))

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.unpack(np.arange(len(self.values)))


def _look_up(tables: np.ndarray, values: np.ndarray, dims: np.ndarray) -> np.ndarray:
    return np.stack([tables[dim].take(values[dim]) for dim in dims])


def find_levels(sample: np.ndarray) -> np.ndarray:
    """The levels of a dimension, as :class:`PackedColumns` has them.

    Every value is a level of its own if there are no more of them. Else levels lie half as close as the values do, so
    that neighbours can be told apart where it is crowded, and half evenly, so that those at the outskirts can, too.

    Args:
        sample: (m,) float32 values of the dimension, the least and the largest among them

    Returns:
        (65536,) float32, ascending
    """
    ordered = np.sort(sample)
    if len(ordered) <= _LEVELS:
        return np.pad(ordered, (0, _LEVELS - len(ordered)), mode="edge")
    span = float(ordered[-1]) - float(ordered[0]) or 1.0
    place = np.arange(len(ordered)) / (len(ordered) - 1) + (ordered.astype(np.float64) - ordered[0]) / span
    return np.interp(np.linspace(0, place[-1], _LEVELS), place, ordered).astype(np.float32)


def pack(vectors: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """(d, m) uint16 numbers of the levels, (d, 65536), that are nearest to (m, d) vectors."""
    packed = np.empty(vectors.T.shape, dtype=np.uint16)
    for level, values, found in zip(levels, vectors.T, packed, strict=True):
        middles = (level[1:].astype(np.float64) + level[:-1]) / 2  # of float32 they might be one of the two levels
        found[:] = np.searchsorted(middles, values)
    return packed


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
            ordered, values = columns.ordered(dim), columns.levels[dim]
        else:
            ordered, values = np.sort(columns[dim]), columns[dim]
        middle = (float(ordered[(n - 1) // 2]) + float(ordered[n // 2])) / 2
        tables.triangles[dim] = ordered[0], middle, ordered[-1]
        tables.edges[dim] = ordered[np.linspace(0, n - 1, CODES + 1).round().astype(np.int64)]
        encode_column(values, tables.edges[dim], tables.codes[dim])

    for _ in workers.map(prepare, iter(range(d))):
        pass
    return tables
