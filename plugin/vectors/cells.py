"""Neighbour search in large pools: k-means cells, and the exact nearest rows among those of the cells around."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .device import gpu_for, named_if_full
from .kmeans import kmeans, nearest_center
from .nearest import BLOCK, nearest_among, squared_less_norms, without_self

if TYPE_CHECKING:
    import torch

#: Shares of the nearest neighbours that are to be found: of the ten nearest, which tell copies, and of all that are
#: asked for. The farther ones lie in many more cells and matter less.
_NEAR, _RECALL_NEAR, _RECALL = 10, 0.99, 0.95
#: Rows whose true neighbours tell how far to look: the share found is known to a percentage point then.
_ASKED = 256
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
        reach: rows that a row is compared with, at least
    """

    order: np.ndarray
    starts: np.ndarray
    near: np.ndarray
    reach: int

    def rows(self, cell: int) -> np.ndarray:
        """The rows of a cell."""
        return self.order[self.starts[cell] : self.starts[cell + 1]]

    def around(self, cell: int) -> np.ndarray:
        """The rows of the nearest cells, as few cells as hold ``reach`` rows."""
        near = self.near[cell]
        held = np.cumsum(np.diff(self.starts)[near])
        return np.concatenate([self.rows(other) for other in near[: np.searchsorted(held, self.reach) + 1]])


def cell_neighbors(
    points: np.ndarray, k: int, seed: int, num_workers: int | None, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """Finds the nearest other rows of every row among those of the cells around its own.

    How many rows that are is read from the pool: the true neighbours of some rows are searched among all rows, and the
    reach is what holds 99 % of the ten nearest and 95 % of all. Results do not depend on the number of threads.

    Args:
        points: (n, d) float32
        k: rows to find for every row
        seed: seed of the cells and of the rows that are asked
        num_workers: threads; None for all
        most: rows that a row is compared with at most, where a pool has no structure

    Returns:
        a tuple of (n, k) int32 rows, nearest first, and (n, k) float32 Euclidean distances
    """
    from threadpoolctl import threadpool_limits

    n = len(points)
    indices = np.empty((n, k), dtype=np.int32)
    distances = np.empty((n, k), dtype=np.float32)

    def search(held: Any, cell: int) -> None:
        rows, among = cells.rows(cell), cells.around(cell)
        found = nearest_among(held[rows], held[among], among, k + 1)
        indices[rows], distances[rows] = without_self(*found, rows)

    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(num_workers or os.cpu_count()) as threads:
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
    cells = Cells(order, starts, np.argsort(apart, axis=1, kind="stable").astype(np.int32), 0)
    asked = np.sort(rng.choice(n, min(n, _ASKED), replace=False))
    near, every = _needed(points, cells, asked, [min(k, 1 + _NEAR), k], threads)
    reach = max(np.quantile(near, _RECALL_NEAR, method="higher"), np.quantile(every, _RECALL, method="higher"))
    return replace(cells, reach=min(max(int(reach), k), most))


def _needed(
    points: np.ndarray, cells: Cells, asked: np.ndarray, counts: list[int], threads: ThreadPoolExecutor
) -> list[np.ndarray]:
    """How many rows each of some rows must be compared with to find its k nearest, in ascending order.

    (m, k) int64 for every k of ``counts``. Among equally near rows, those that are found first will do.
    """
    rows = points[asked]
    cell_of = np.empty(len(points), dtype=np.int32)
    cell_of[cells.order] = np.repeat(np.arange(len(cells.near), dtype=np.int32), np.diff(cells.starts))
    near = cells.near[cell_of[asked]]
    held = np.empty(near.shape, dtype=np.int64)
    np.put_along_axis(held, near, np.cumsum(np.diff(cells.starts)[near], axis=1), axis=1)

    def distances(part: slice) -> np.ndarray:
        return _smallest(squared_less_norms(rows, points[part]), max(counts))

    parts = _parts(len(points), len(asked))
    nearest = np.sort(np.hstack(list(threads.map(distances, parts))), axis=1)

    def held_where_near(part: slice) -> list[np.ndarray]:
        squared, until = squared_less_norms(rows, points[part]), held[:, cell_of[part]]
        return [
            _smallest(np.where(squared <= nearest[:, k - 1, None] + _ROUNDING, until, len(points)), k) for k in counts
        ]

    found = zip(*threads.map(held_where_near, parts), strict=True)
    return [_smallest(np.hstack(each), k) for each, k in zip(found, counts, strict=True)]


def _parts(n: int, width: int) -> list[slice]:
    """N rows in parts that make blocks of ``width`` columns."""
    step = max(1, BLOCK // width)
    return [slice(start, start + step) for start in range(0, n, step)]


def _smallest(values: np.ndarray, k: int) -> np.ndarray:
    """The k smallest values of every row, or all if there are fewer, in no order; the others are not held."""
    return values if values.shape[1] <= k else np.partition(values, k - 1, axis=1)[:, :k].copy()
