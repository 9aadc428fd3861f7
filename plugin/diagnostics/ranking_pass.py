"""One pass over rankings that gives the nearest kept distance of every evaluated image at every budget of a grid."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np

from ..progress import ProgressCallback
from ..vectors.points import Points
from ..vectors.threads import product_threads
from . import sketch

#: Rows and images whose products fit into the cache of a core.
_ROWS = 512
_COLUMNS = 1024
#: Blocks grow from this size, since what one leaves possible rules out pairs of the next.
_FIRST_COLUMNS = 128

#: The distance of a scattered pair takes about as long as this many products in a matrix: 200 ns and 7 ns where vectors
#: of 512 dimensions come from the cache behind that of the core.
_SCATTERED = 32


@dataclass(frozen=True)
class RankingPass:
    """Result of :func:`ranking_pass`.

    Attributes:
        distance: (r, g, q) float32 distance of each measured row to the nearest *other* row among the first
            ``budgets[g]`` of each ranking; inf where there is none
        nearest: (r, q) int64 position, in each ranking, of the nearest other row, the first of equally near ones; the
            length of the ranking where there is none
        first_within: (m,) int64 position, in the first ranking, of the earliest other row within the radius; the
            length of the ranking where there is none
    """

    distance: np.ndarray
    nearest: np.ndarray
    first_within: np.ndarray


def ranking_pass(
    points: Points,
    rankings: Sequence[np.ndarray],
    rows: np.ndarray,
    budgets: np.ndarray,
    radius: float | np.ndarray,
    report: ProgressCallback,
    n_measured: int | None = None,
) -> RankingPass:
    """Follows the nearest kept distance while the budget grows, for several rankings at the cost of one.

    Images are taken from all rankings in turns, so that soon every row has a kept one close by at every budget still to
    come, and only pairs that may be closer are compared in full. Which these are is told by products of sketches, or of
    whole vectors as long as sketches rule out too little. Distances are float64 differences of the vectors, rounded to
    float32, whichever way their pairs were found.

    Args:
        points: the embeddings
        rankings: rankings of one length, rows first to keep first; ``first_within`` belongs to the first of them
        rows: (m,) rows to evaluate
        budgets: (g,) ascending budgets, the last one the length of the rankings
        radius: distance for ``first_within``, one of all rows or (m,) one of each
        report: progress function
        n_measured (None): q, rows whose distances are asked for; of those behind them only ``first_within`` is found

    Returns:
        a :class:`RankingPass`
    """
    length = len(rankings[0])
    positions = np.full((len(rankings), points.n), length)
    for position, ranking in zip(positions, rankings, strict=True):
        position[ranking] = np.arange(length)
    soonest = positions.min(axis=0)
    columns = np.argsort(soonest, kind="stable")[: np.count_nonzero(soonest < length)]
    place = np.full(points.n, -1)
    place[columns] = np.arange(len(columns))
    known = _Known(points, rows, place[rows], radius, (len(rankings), len(budgets), length), len(columns), n_measured)

    def read(start: int) -> _Block:
        stop = start + min(_COLUMNS, max(_FIRST_COLUMNS, start))
        some = columns[start:stop]
        return _Block(known, some, start, positions[:, some], budgets)

    with product_threads() as threads:
        upcoming: Future[_Block] | None = threads.submit(read, 0)
        while upcoming is not None:
            block = upcoming.result()
            upcoming = threads.submit(read, block.stop) if block.stop < len(columns) else None
            list(threads.map(block.compare, range(0, len(rows), _ROWS)))
            report(block.stop / len(columns), f"{block.stop:,} of {len(columns):,} images")
    distance = np.ascontiguousarray(known.least[:n_measured].transpose(1, 2, 0))
    return RankingPass(distance, known.nearest[:n_measured].T, known.first)


def first_near(
    points: Points, ranking: np.ndarray, rows: np.ndarray, radius: float, report: ProgressCallback
) -> np.ndarray:
    """Where in a ranking the first other row within a radius stands.

    Args:
        points: the embeddings
        ranking: (r,) rows, first to keep first
        rows: (m,) rows to look around
        radius: the distance
        report: progress function

    Returns:
        (m,) int64 positions; r where there is none
    """
    return ranking_pass(points, [ranking], rows, np.array([len(ranking)]), radius, report, 0).first_within


class _Known:
    """The evaluated rows and what is known of them so far."""

    def __init__(
        self,
        points: Points,
        rows: np.ndarray,
        place: np.ndarray,
        radius: float | np.ndarray,
        shape: tuple[int, int, int],
        n_columns: int,
        n_measured: int | None,
    ):
        n_rankings, n_budgets, length = shape
        self.points = points
        self.place = place
        self.vectors = points.block(rows, points.work_dtype(len(rows), n_columns))
        self.sizes = np.einsum("ij,ij->i", self.vectors, self.vectors, dtype=np.float64)
        # Equal vectors are within a radius of 0, whatever was rounded.
        self.within = np.broadcast_to(np.square(radius, dtype=np.float64) + 1e-12, len(rows))
        self.least = np.full((len(rows), n_rankings, n_budgets), np.inf, dtype=np.float32)
        if n_measured is not None:
            self.least[n_measured:] = 0
        self.nearest = np.full((len(rows), n_rankings), length)
        self.first = np.full(len(rows), length)
        # The first image whose block is sketched, of each part of the rows: nothing rules out pairs of the first block.
        self.sketch_from = np.ones(len(range(0, len(rows), _ROWS)), dtype=np.int64)
        self.along = self.sketch = None
        if self.vectors.dtype == np.float32 and sketch.pays(n_columns, points.dim):
            sample = points.rows[np.linspace(0, len(points.rows) - 1, sketch.FROM).astype(np.int64)]
            self.along = sketch.directions(points.block(sample))[:, 1:]
            self.sketch = sketch.sketched(self.vectors, self.along)


class _Block:
    """Some images, and where the rankings keep them."""

    def __init__(
        self,
        known: _Known,
        images: np.ndarray,
        start: int,
        positions: np.ndarray,
        budgets: np.ndarray,
    ):
        self.known = known
        self.start, self.stop = start, start + len(images)
        self.vectors = known.points.block(images, known.vectors.dtype.type)
        sizes = np.einsum("ij,ij->i", self.vectors, self.vectors, dtype=np.float64)
        self.half = (sizes / 2).astype(np.float32)
        self.largest = sizes.max()
        self.positions = positions
        self.segments = np.searchsorted(budgets, positions, side="right")
        self.sketch = None
        if known.along is not None and start >= known.sketch_from.min():
            self.sketch = sketch.sketched(self.vectors, known.along)

    def compare(self, start: int) -> bool:
        """Compares some of the rows with the images; whether products of whole vectors were needed."""
        known, part = self.known, slice(start, start + _ROWS)
        if known.sketch is not None and self.sketch is not None and self.start >= known.sketch_from[start // _ROWS]:
            products = known.sketch[part] @ self.sketch.T
            if self._add(part, products, products.size // _SCATTERED):
                return False
            known.sketch_from[start // _ROWS] = 4 * self.stop  # nearest ones get nearer slowly
        products = known.vectors[part] @ self.vectors.T
        return self._add(part, products, products.size)

    def _add(self, part: slice, products: np.ndarray, limit: int) -> bool:
        from .ranking_kernel import add_block

        known = self.known
        # Twice what rounding can take from a sum of so many products, and from the terms beside it.
        lost = (known.points.dim + 4) * np.finfo(np.float32).eps
        sizes = known.sizes[part]
        return bool(
            add_block(
                products,
                lost * np.maximum(sizes, self.largest),
                known.vectors[part],
                self.vectors,
                sizes,
                self.half,
                known.place[part] - self.start,
                known.within[part],
                self.segments,
                self.positions,
                self.segments.min(axis=1),
                known.least[part],
                known.nearest[part],
                known.first[part],
                limit,
            )
        )
