"""Near-copies: which pairs of neighbours show the same pixels, told by their fingerprints."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from .neighbors import nearest_neighbors

#: Neighbours of every row that are compared with it.
_NEIGHBORS = 10
#: Cells by which two fingerprints are shifted against each other at most.
_SHIFT = 2
#: Pairs compared at a time.
_BLOCK = 100_000


@dataclass(frozen=True)
class Pairs:
    """Pairs of rows that were compared.

    Attributes:
        left, right: (p,) int64 rows, left < right
        distance: (p,) float32 L2 distance between the unit-norm embeddings
        agreement: (p,) float32 agreement of the fingerprints in [-1, 1]; NaN where a row has none
        probability: (p,) float32 probability that the two are near-copies; NaN where a row has no fingerprint
    """

    left: np.ndarray
    right: np.ndarray
    distance: np.ndarray
    agreement: np.ndarray
    probability: np.ndarray

    def __len__(self) -> int:
        return len(self.left)

    def __getitem__(self, chosen: np.ndarray) -> Pairs:
        return Pairs(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


def neighbor_pairs(unit: np.ndarray, seed: int = 0, num_workers: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of rows of which one is among the nearest neighbours of the other.

    Args:
        unit: (n, d) float32 unit-norm embeddings
        seed (0): seed of the approximate search
        num_workers (None): threads

    Returns:
        (p,) int64 rows and (p,) int64 rows, the first of each pair lower than the second, no pair twice
    """
    indices, _ = nearest_neighbors(unit, _NEIGHBORS, seed=seed, num_workers=num_workers)
    rows = np.repeat(np.arange(len(unit)), indices.shape[1])
    keys = np.unique(np.minimum(rows, indices.ravel()) * len(unit) + np.maximum(rows, indices.ravel()))
    return keys // len(unit), keys % len(unit)


class Fingerprints:
    """Fingerprints ready to be compared.

    Args:
        values: (n, side * side) uint8
    """

    def __init__(self, values: np.ndarray):
        self.values = values
        self.side = round(values.shape[1] ** 0.5)

    @cached_property
    def _window(self) -> np.ndarray:
        taper = np.hanning(self.side + 2)[1:-1]
        return np.sqrt(np.outer(taper, taper)).astype(np.float32)

    def prepared(self, rows: np.ndarray) -> np.ndarray:
        """(m, side, side) float32 fingerprints without their mean, weighted by a window, of unit length."""
        cells = self.values[rows].reshape(-1, self.side, self.side).astype(np.float32)
        cells = (cells - cells.mean(axis=(1, 2), keepdims=True)) * self._window
        length = np.sqrt((cells**2).sum(axis=(1, 2), keepdims=True))
        return np.divide(cells, length, out=np.zeros_like(cells), where=length > 0)

    def agreement(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """The largest correlation of two fingerprints over small shifts.

        Args:
            left: (p,) rows
            right: (p,) rows

        Returns:
            (p,) float32 in [-1, 1]
        """
        shifts = np.r_[0 : _SHIFT + 1, self.side - _SHIFT : self.side]
        found = np.empty(len(left), dtype=np.float32)
        for start in range(0, len(left), _BLOCK):
            part = slice(start, start + _BLOCK)
            a, b = (np.fft.rfft2(self.prepared(rows[part])) for rows in (left, right))
            correlation = np.fft.irfft2(a * np.conj(b), s=(self.side, self.side))
            found[part] = correlation[:, shifts][:, :, shifts].max(axis=(1, 2))
        return found


def near_copy_pairs(
    unit: np.ndarray,
    fingerprints: np.ndarray | None,
    has_fingerprint: np.ndarray | None = None,
    *,
    seed: int = 0,
    num_workers: int | None = None,
) -> Pairs:
    """Compares neighbours.

    Args:
        unit: (n, d) float32 unit-norm embeddings
        fingerprints: (n, 256) uint8 fingerprints, or None
        has_fingerprint (None): (n,) bool, True in rows that have one; all by default
        seed (0): the random seed
        num_workers (None): threads

    Returns:
        the pairs
    """
    left, right = neighbor_pairs(unit, seed, num_workers)
    distance = np.linalg.norm(unit[left] - unit[right], axis=1).astype(np.float32)
    agreement = np.full(len(left), np.nan, dtype=np.float32)
    probability = agreement.copy()
    if fingerprints is not None:
        known = np.ones(len(unit), dtype=bool) if has_fingerprint is None else has_fingerprint
        both = known[left] & known[right]
        agreement[both] = Fingerprints(fingerprints).agreement(left[both], right[both])
        probability[both] = 1 / (1 + np.exp(-(np.arctanh(np.clip(agreement[both], -0.9999, 0.9999)) - 1.3) * 8))
    return Pairs(left, right, distance, agreement, probability)


def linked(n: int, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(n,) int64 connected components."""
    graph = csr_matrix((np.ones(len(left), dtype=np.int8), (left, right)), shape=(n, n))
    return connected_components(graph, directed=False)[1].astype(np.int64)
