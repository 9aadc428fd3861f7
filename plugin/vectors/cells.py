"""Neighbour search in large pools: k-means cells, and the exact nearest rows among those of the cells around."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .device import gpu_for, named_if_full
from .kmeans import kmeans, nearest_center
from .nearest import BLOCK, nearest_among, squared_less_norms, without_self
from .threads import product_threads

if TYPE_CHECKING:
    import torch

#: Shares of the nearest neighbours that are to be found: of the ten nearest, which tell copies, and of all that are
#: asked for. The farther ones lie in many more cells and matter less.
_NEAR, _RECALL_NEAR, _RECALL = 10, 0.99, 0.95
#: Of the neighbours that may be missed, the share that a limit to the number of rows costs; the distance up to which
#: cells are looked into costs the others. It spares most rows, half of them or more, and the number bounds the work
#: where cells of one distance hold very different numbers.
_BY_NUMBER = 0.1
#: Rows whose true neighbours tell how far to look: the share found is known to half a percentage point then.
_ASKED = 512
#: Cells per root of the number of rows: assigning rows to cells and comparing them in four cells cost alike then.
_CELLS = 2
#: Rows per cell that the cells are made from; more move the centers little (Johnson et al., arXiv 1702.08734, sample
#: the rows, too).
_ROWS_PER_CELL = 32
#: A cell of more rows than so many usual ones is cut, so that copies of one image do not compare with one another.
_LARGE = 4
#: What rounding leaves of the difference between two equal squared distances of unit rows.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Cells:
    """A pool cut into cells.

    Attributes:
        order: (n,) int64 rows, cell after cell
        starts: (c + 1,) int64 where each cell starts in ``order``, and its end
        near: (c, c) int32 cells by the distance of their centers, for every cell; itself first
        apart: (c, c) float32 those distances
        looked: (c,) int64 how many of them are looked into for the rows of each cell
    """

    order: np.ndarray
    starts: np.ndarray
    near: np.ndarray
    apart: np.ndarray
    looked: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        """(c,) int64 rows of each cell."""
        return np.diff(self.starts)

    def rows(self, cell: int) -> np.ndarray:
        """The rows of a cell."""
        return self.order[self.starts[cell] : self.starts[cell + 1]]

    def around(self, cell: int) -> np.ndarray:
        """The rows of the nearest cells, as many as are looked into."""
        return np.concatenate([self.rows(other) for other in self.near[cell, : self.looked[cell]]])


def cell_neighbors(
    points: np.ndarray, k: int, seed: int, num_workers: int | None, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """Finds the nearest other rows of every row among those of the cells around its own.

    How far is read from the pool: the true neighbours of some rows are searched among all rows, and cells are looked
    into up to a distance, and a number of rows, within which 99 % of the ten nearest and 95 % of all lie. Results do
    not depend on the number of threads.

    Args:
        points: (n, d) float32
        k: rows to find for every row
        seed: seed of the cells and of the rows that are asked
        num_workers: threads; None for all
        most: rows that a row is compared with at most, where a pool has no structure

    Returns:
        a tuple of (n, k) int32 rows, nearest first, and (n, k) float32 Euclidean distances
    """
    n = len(points)
    indices = np.empty((n, k), dtype=np.int32)
    distances = np.empty((n, k), dtype=np.float32)

    def search(held: Any, cell: int) -> None:
        rows, among = cells.rows(cell), cells.around(cell)
        found = nearest_among(held[rows], held[among], among, k + 1)
        indices[rows], distances[rows] = without_self(*found, rows)

    with product_threads(num_workers) as threads:
        device = gpu_for(points.size * min(n, most), points.nbytes)
        cells = _cut(points, k + 1, seed, most, threads, device)
        every = range(len(cells.near))
        if device is None:
            list(threads.map(partial(search, points), every))
            return indices, distances
    from .torch_kernel import put

    with named_if_full(device):  # one cell after the other: several would only share the device's memory
        held = put(points, device)
        for cell in every:
            search(held, cell)
    return indices, distances


def _cut(
    points: np.ndarray, k: int, seed: int, most: int, threads: ThreadPoolExecutor, device: torch.device | None
) -> Cells:
    n, count = len(points), int(_CELLS * np.sqrt(len(points)))
    rng = np.random.default_rng(seed)
    sample = np.sort(rng.choice(n, min(n, _ROWS_PER_CELL * count), replace=False))
    centers = kmeans(points[sample], count, seed=seed)[1]
    parts = _parts(n, len(centers)) if device is None else [slice(n)]
    labels = np.concatenate(list(threads.map(lambda part: nearest_center(points[part], centers, device)[0], parts)))
    order = np.argsort(labels, kind="stable")
    sizes = np.bincount(labels, minlength=len(centers))
    pieces = -(-sizes // (_LARGE * n // count))  # none for an empty cell
    of = np.repeat(np.arange(len(centers)), pieces)
    place = np.arange(len(of)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    starts = np.append((np.cumsum(sizes) - sizes)[of] + place * sizes[of] // pieces[of], n)
    centers = centers[of]
    half_norms = 0.5 * np.einsum("ij,ij->i", centers, centers)
    apart = half_norms - centers @ centers.T
    np.fill_diagonal(apart, -np.inf)
    near = np.argsort(apart, axis=1, kind="stable").astype(np.int32)
    apart = np.take_along_axis(np.sqrt(2 * np.maximum(apart + half_norms[:, None], 0)), near, axis=1)
    cells = Cells(order, starts, near, apart, np.full(len(near), len(near)))
    return replace(cells, looked=_looked(points, cells, k, most, rng, threads))


def _looked(
    points: np.ndarray, cells: Cells, k: int, most: int, rng: np.random.Generator, threads: ThreadPoolExecutor
) -> np.ndarray:
    """(c,) int64 how many of the nearest cells are to be looked into for the rows of each cell."""
    asked = np.sort(rng.choice(len(points), min(len(points), _ASKED), replace=False))
    held = np.cumsum(cells.sizes[cells.near], axis=1)
    number, distance = float(k), 0.0
    counts = min(k, 1 + _NEAR), k
    own, needed = _needed(points, cells, asked, counts, threads)
    for places, recall in zip(needed, (_RECALL_NEAR, _RECALL), strict=True):
        missed, at = 1 - recall, (own[:, None], places)
        number = max(number, np.quantile(held[at], 1 - _BY_NUMBER * missed, method="higher"))
        distance = max(distance, np.quantile(cells.apart[at], 1 - (1 - _BY_NUMBER) * missed, method="higher"))
    enough = [np.searchsorted(row, [k, min(number, most)]) + 1 for row in held]
    within = (cells.apart <= distance).sum(axis=1)
    return np.array([np.clip(w, least, largest) for w, (least, largest) in zip(within, enough, strict=True)])


def _needed(
    points: np.ndarray, cells: Cells, asked: np.ndarray, counts: Sequence[int], threads: ThreadPoolExecutor
) -> tuple[np.ndarray, list[np.ndarray]]:
    """In which of the nearest cells the k nearest of some rows lie.

    Returns:
        a tuple of the (m,) cells of the rows, and (m, k) int64 for every k of ``counts``: places in ``cells.near`` of
        those cells, ascending. Of equally near rows, those that are found first are meant
    """
    from .product_kernel import nearest_columns

    rows, count = points[asked], len(cells.near)
    cell_of = np.empty(len(points), dtype=np.int64)
    cell_of[cells.order] = np.repeat(np.arange(count), cells.sizes)

    def nearest_of(part: slice) -> np.ndarray:
        squared = squared_less_norms(rows, points[part])
        return np.take_along_axis(squared, nearest_columns(squared, min(max(counts), squared.shape[1])), axis=1)

    parts = _parts(len(points), len(asked))
    nearest = np.sort(np.hstack(list(threads.map(nearest_of, parts))), axis=1)

    def near_by_cell(part: slice) -> list[tuple[np.ndarray, np.ndarray]]:
        squared = squared_less_norms(rows, points[part])
        row, column = np.nonzero(squared <= nearest[:, max(counts) - 1, None] + _ROUNDING)
        entry = row * count + cell_of[part][column]
        near = [squared[row, column] <= nearest[row, k - 1] + _ROUNDING for k in counts]
        times = [np.bincount(entry[each]) for each in near]
        return [(np.flatnonzero(each), each[each > 0]) for each in times]

    found = np.zeros((len(counts), len(asked) * count), dtype=np.int64)
    for part in threads.map(near_by_cell, parts):
        for total, (entries, times) in zip(found, part, strict=True):
            total[entries] += times
    own, needed = cell_of[asked], []
    for k, total in zip(counts, found, strict=True):
        until = np.cumsum(np.take_along_axis(total.reshape(-1, count), cells.near[own], axis=1), axis=1)
        needed.append(np.stack([np.searchsorted(row, np.arange(1, k + 1)) for row in until]))
    return own, needed


def _parts(n: int, width: int) -> list[slice]:
    """N rows in parts that make blocks of ``width`` columns."""
    step = max(1, BLOCK // width)
    return [slice(start, start + step) for start in range(0, n, step)]
