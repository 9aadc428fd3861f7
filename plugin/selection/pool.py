"""What a selector sees: a clean matrix in an order that says nothing, and where it must start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import CoresetError
from ..progress import ProgressCallback, silence
from ..vectors.matrix import blocks, normalized, row_blocks
from ..vectors.near_duplicates import NearDuplicates, near_duplicates
from ..vectors.neighbors import EXACT_LIMIT, nearest_neighbors, unit_rows
from .fused import FUSED_NEIGHBORS, fused_uncertainty
from .linear_head import LinearHead
from .predictions import Predictions, uncertainty

#: Neighbours per row in the graph of a large pool, which whoever asks for fewer shares.
GRAPH_NEIGHBORS = 64
#: Below one row in so many, rows are read one by one: a page of a file, 4 KB, then holds others as a rule.
_SPARSE = 8
#: So many of them at a time: Linux maps 16 pages around each, so they take up to 128 MB.
_SPARSE_ROWS = 2048


class PoolVectors:
    """The embeddings of a pool, gathered from the matrix given when a method first asks for them.

    A method that reads blocks of ``matrix`` never asks, so a matrix in a file never lies in memory as a whole.

    Args:
        matrix: (N, d) float32 or float64 embeddings as given, e.g. a memmap
        rows (None): (n,) int64 distinct rows of ``matrix`` that make the pool, in the order of the pool; all by default
    """

    def __init__(self, matrix: np.ndarray, rows: np.ndarray | None = None) -> None:
        self.matrix = matrix
        self.rows = np.arange(len(matrix)) if rows is None else rows
        self._graph: tuple[np.ndarray, np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def X(self) -> np.ndarray:  # noqa: N802  (matrices keep their mathematical names)
        """(n, d) float32 C-contiguous embeddings of the pool."""
        return self._gather()

    def _gather(self) -> np.ndarray:
        if len(self.rows) < len(self.matrix) // _SPARSE:
            in_file = np.argsort(self.rows)
            gathered = np.empty((len(self.rows), self.matrix.shape[1]), dtype=np.float32)
            for part, block in row_blocks(self.matrix, _SPARSE_ROWS, self.rows[in_file]):
                gathered[in_file[part]] = block
            return gathered
        place = np.full(len(self.matrix), -1, dtype=np.int64)
        place[self.rows] = np.arange(len(self.rows))
        gathered = np.empty((len(self.rows), self.matrix.shape[1]), dtype=np.float32)
        for span, block in row_blocks(self.matrix):
            into = place[span]
            gathered[into[into >= 0]] = block[into >= 0]
        return gathered

    @cached_property
    def Z(self) -> np.ndarray:  # noqa: N802
        """(n, d) float32 embeddings scaled to unit length; made in place, so ``X`` is not held for it."""
        if "X" in self.__dict__:
            return unit_rows(self.X)[0]
        unit = self._gather()
        for rows in blocks(len(unit)):
            unit[rows] = normalized(unit[rows])
        return unit

    def neighbors(self, k: int, seed: int, num_workers: int | None) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest rows of every row on the unit sphere, see :func:`.neighbors.nearest_neighbors`.

        The graph of a large pool is searched once, since more neighbours cost little more there.
        """
        if len(self) <= EXACT_LIMIT:
            return nearest_neighbors(self.Z, k, seed=seed, num_workers=num_workers)
        if self._graph is None or self._graph[0].shape[1] < min(k, len(self) - 1):
            self._graph = nearest_neighbors(self.Z, max(k, GRAPH_NEIGHBORS), seed=seed, num_workers=num_workers)
        indices, distances = self._graph
        return indices[:, :k], distances[:, :k]

    @property
    def used(self) -> np.ndarray:
        """(N,) bool, True in rows of ``matrix`` that are in the pool."""
        used = np.zeros(len(self.matrix), dtype=bool)
        used[self.rows] = True
        return used

    def take(self, positions: np.ndarray) -> PoolVectors:
        """The vectors at some positions of the pool; what was gathered is not read again."""
        part = PoolVectors(self.matrix, self.rows[positions])
        for name in {"X", "Z"} & self.__dict__.keys():
            part.__dict__[name] = self.__dict__[name][positions]
        return part


@dataclass(frozen=True)
class Pool:
    """A selection problem without missing rows.

    Rows come in a seeded order that depends on their content alone, so whatever a selector does with row numbers
    (ties, random draws, the first center) is reproducible and never follows file order.

    Attributes:
        vectors: the embeddings of n rows, see ``X`` and ``Z``
        preselected: (p,) int64 rows that are in the coreset already, first kept first; a selector continues from them
        weights: (n,) float64 positive importance of the rows, 1 by default
        labels: (n,) int64 class numbers, or None
        class_names: names of the classes in ``labels``
        text_embeddings: text features as the caller gave them, or None
        predictions: what a model says of the rows, or None; only rows in ``preselected`` may lack it
        head: the light head fit on the labelled rows, or None
        copies: groups of near-copies that the pixels tell, or None where nobody looked
        seed: the random seed
        num_workers: threads, None for all
        report: called with the finished fraction and what is being done
    """

    vectors: PoolVectors
    preselected: np.ndarray
    weights: np.ndarray
    labels: np.ndarray | None = None
    class_names: list = field(default_factory=list)
    text_embeddings: Any = None
    predictions: Predictions | None = None
    head: LinearHead | None = None
    copies: NearDuplicates | None = None
    seed: int = 0
    num_workers: int | None = None
    report: ProgressCallback = silence

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def X(self) -> np.ndarray:  # noqa: N802
        """(n, d) float32 C-contiguous embeddings as given."""
        return self.vectors.X

    @property
    def Z(self) -> np.ndarray:  # noqa: N802
        """(n, d) float32 embeddings scaled to unit length."""
        return self.vectors.Z

    @cached_property
    def candidates(self) -> np.ndarray:
        """(n,) bool, True in rows that can still be picked."""
        free = np.ones(len(self), dtype=bool)
        free[self.preselected] = False
        return free

    def rng(self, stream: int = 0) -> np.random.Generator:
        """A random generator; different streams of one pool are independent."""
        return np.random.default_rng([self.seed, stream])

    def uncertainty(self, measure: str | None = None) -> np.ndarray:
        """How uncertain the model is of every row, see :func:`.predictions.uncertainty`.

        Args:
            measure (None): by default the best that the predictions allow; "disagreement" of a light head is that of
                its samples with dropout, "boundary" how near rows lie to it; "fused" that of predictions of a row and
                its neighbours

        Returns:
            (n,) float64; 0 in preselected rows without a prediction
        """
        assert self.predictions is not None
        found = row_uncertainty(self.predictions, measure, self.head, lambda: self.X, self.seed, self.neighbors)
        return np.nan_to_num(found, nan=0.0)

    def neighbors(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest rows of every row on the unit sphere, see :func:`.neighbors.nearest_neighbors`."""
        return self.vectors.neighbors(k, self.seed, self.num_workers)

    def near_duplicates(self) -> NearDuplicates:
        """Groups of near-copies, or, where nobody looked at the pixels, of what a short distance links."""
        if self.copies is not None:
            return self.copies
        return near_duplicates(self.Z, seed=self.seed, num_workers=self.num_workers, neighbors=self.neighbors)

    def subset(self, rows: np.ndarray, preselected: np.ndarray) -> Pool:
        """The same problem on some of the rows.

        Args:
            rows: (m,) int rows of this pool, in ascending order
            preselected: int rows of this pool, all among ``rows``

        Returns:
            a pool of m rows
        """
        if len(rows) == len(self):
            return replace(self, preselected=preselected)
        labels = None if self.labels is None else self.labels[rows]
        return replace(
            self,
            vectors=self.vectors.take(rows),
            preselected=np.searchsorted(rows, preselected),
            weights=self.weights[rows],
            labels=labels,
            predictions=None if self.predictions is None else self.predictions.take(rows),
            copies=None if self.copies is None else self.copies.take(rows),
        )


def row_uncertainty(
    predictions: Predictions,
    measure: str | None,
    head: LinearHead | None,
    embeddings: Callable[[], np.ndarray],
    seed: int,
    neighbors: Callable[[int], tuple[np.ndarray, np.ndarray]],
) -> np.ndarray:
    """How uncertain a model is of every row, see :meth:`Pool.uncertainty`; NaN in rows without a prediction.

    Args:
        predictions: of n rows
        measure: None for the best that they allow
        head: the light head that made them, or None
        embeddings: gives (n, d) embeddings, where the measure needs them
        seed: the random seed
        neighbors: gives the k nearest rows of every row
    """
    measure = measure or predictions.default_measure
    if measure not in predictions.measured:
        if measure == "fused":
            return fused_uncertainty(predictions, neighbors(FUSED_NEIGHBORS))
        if head is not None and measure == "disagreement":
            return head.disagreement(embeddings(), seed)
        if head is not None and measure == "boundary":
            return head.boundary(embeddings())
    return uncertainty(predictions, measure)


@dataclass(frozen=True)
class Picks:
    """What a selector returns.

    Attributes:
        order: (k,) int64 picked rows, first to keep first; none of them in ``pool.preselected``
        scores: (n,) float64 score of every row, higher = keep, or None for methods that do not score rows
        details: JSON-able facts for the user, e.g. a radius that was chosen
        columns: (n,) float64 figures of every row that the scores are made of, by name
    """

    order: np.ndarray
    scores: np.ndarray | None = None
    details: dict[str, Any] = field(default_factory=dict)
    columns: dict[str, np.ndarray] = field(default_factory=dict)


def top(pool: Pool, k: int, scores: np.ndarray, **details: Any) -> Picks:
    """Picks the k free rows with the highest scores.

    Args:
        pool: the problem
        k: rows to pick
        scores: (n,) float, higher = keep; equal scores are taken in the pool's seeded order
        **details: facts for the user

    Returns:
        the picks
    """
    order = np.argsort(-scores, kind="stable")
    return Picks(order[pool.candidates[order]][:k], np.asarray(scores, dtype=np.float64), details)


def weighted_ranks(scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Multiplies scores of any sign by weights, through their ranks; equal weights leave the scores as they are.

    Args:
        scores: (n,) float
        weights: (n,) positive float

    Returns:
        (n,) float64
    """
    if np.all(weights == weights[0]):
        return np.asarray(scores, dtype=np.float64)
    from scipy.stats import rankdata

    return rankdata(scores) / len(scores) * weights


def all_alike(matrix: np.ndarray, used: np.ndarray) -> bool:
    """Whether no two of the used rows differ.

    Args:
        matrix: (n, d) embeddings; a memmap is read only as far as needed
        used: (n,) bool
    """
    rows = np.flatnonzero(used)
    return not len(rows) or all(
        (block[used[span]] == matrix[rows[0]]).all() for span, block in row_blocks(matrix, 2048)
    )


def check_limit(amount: float, limit: float, message: str) -> None:
    """Raises when a request would run for hours, naming the limit.

    Args:
        amount: what the request needs
        limit: the method's limit
        message: what to say

    Raises:
        CoresetError: if ``amount`` exceeds ``limit``
    """
    if amount > limit:
        raise CoresetError(message)
