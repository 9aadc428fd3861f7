"""Cells: a run divided by k-means, so that a selection can work on one part of the embedding space after the other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..selection.methods.auto.reading import Reading
from ..vectors.kmeans import kmeans, nearest_center
from ..vectors.neighbors import unit_rows
from .parts import Stage, read_array, write_array
from .places import Place
from .run import ScaleRun
from .store import at_once

if TYPE_CHECKING:
    import pyarrow as pa

#: Rows from which the cells are made.
_SAMPLE_ROWS = 1_000_000
#: Cells with more than this many times the usual rows are split; those with less than this share join others.
_MOST, _LEAST = 2.0, 0.05
#: Borders are known to this.
_ROUNDING = 1e-4


@dataclass(frozen=True)
class Cells:
    """The vectors of a run, sorted by cell: each part has a row group for each of its cells.

    Attributes:
        stage: the parts, one for each unit of the run
        counts: (units, c) int64 rows of every cell in every part
        dimension: length of the vectors
    """

    stage: Stage
    counts: np.ndarray
    dimension: int

    @classmethod
    def of(cls, stage: Stage, facts: Sequence[Mapping[str, Any]], dimension: int) -> Cells:
        """The cells of parts of which the footers are known."""
        return cls(stage, np.array([of_unit["counts"] for of_unit in facts], dtype=np.int64), dimension)

    @property
    def sizes(self) -> np.ndarray:
        """(c,) int64 rows of every cell."""
        return self.counts.sum(axis=0)

    def of_rows(self, n: int) -> np.ndarray:
        """(n,) int32 the cell of every row of the run, -1 without a vector."""
        found = np.full(n, -1, dtype=np.int32)
        for unit, counts in enumerate(self.counts):
            found[self.stage.read(unit, ["row"])["row"].to_numpy()] = np.repeat(np.arange(len(counts)), counts)
        return found

    def read(self, cell: int) -> tuple[np.ndarray, np.ndarray]:
        """The rows of a cell.

        Args:
            cell: its number

        Returns:
            a tuple of their (m,) int64 numbers in the run, ascending, and (m, d) float32 vectors as they were given
        """
        rows = [np.empty(0, dtype=np.int64)]
        vectors = [np.empty((0, self.dimension), dtype=np.float32)]

        def read(unit: np.integer) -> pa.Table:
            return self.stage.read(int(unit), row_group=int(np.count_nonzero(self.counts[unit, :cell])))

        for table in at_once(read, np.flatnonzero(self.counts[:, cell])):
            column = table["vector"].combine_chunks()
            rows.append(table["row"].to_numpy())
            vectors.append(column.flatten().to_numpy().reshape(len(column), -1))
        return np.concatenate(rows), np.concatenate(vectors)


def find_centers(run: ScaleRun, path: Place, rows_per_cell: int, seed: int) -> np.ndarray:
    """The centers of the cells, made once.

    Args:
        run: a run whose vectors are all there
        path: the file that keeps them
        rows_per_cell: rows that a cell is to have, about
        seed: of the sample and of k-means

    Returns:
        (c, d) float32 centers of unit vectors
    """
    if not path.is_file():
        write_array(path, _centers(_sample(run, seed), math.ceil(run.n_usable() / rows_per_cell), seed))
    return read_array(path)


def assign(
    run: ScaleRun, stage: Stage, unit: int, centers: np.ndarray, visits: Stage | None, reading: Reading | None
) -> dict[str, Any]:
    """Sorts a unit by cell, and returns what the footer of the part says.

    Args:
        run: the run
        stage: where the part goes
        unit: number of the unit
        centers: (c, d) float32 centers of the cells
        visits: where rows go that are as near to a border as near-copies are to each other, by their second cell
        reading: what was decided for the run, or None
    """
    rows, vectors = run.vectors(unit)
    Z = unit_rows(vectors)[0] if len(rows) else vectors
    cells = nearest_center(Z, centers)[0] if len(rows) else np.empty(0, dtype=np.int64)
    if visits is not None and reading is not None:
        second, distance = _second_cells(Z, centers, cells)
        near = distance <= reading.radius + _ROUNDING
        _write_by_cell(visits, unit, rows[near], vectors[near], second[near], len(centers), {})
    worth = None if reading is None or not len(rows) else reading.worth_of(Z)
    facts = {"worth": np.bincount(cells, worth, len(centers)).tolist()}
    return _write_by_cell(stage, unit, rows, vectors, cells, len(centers), facts)


def _second_cells(Z: np.ndarray, centers: np.ndarray, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) int64 second-nearest cell of rows, and (n,) float32 how far they are from its border."""
    rows = np.arange(len(Z))
    halves = 0.5 * np.einsum("ij,ij->i", centers, centers) - Z @ centers.T  # squared distances, halved, less a constant
    own = halves[rows, cells]
    halves[rows, cells] = np.inf
    second = halves.argmin(axis=1)
    apart = np.linalg.norm(centers[second] - centers[cells], axis=1)
    return second, (halves[rows, second] - own) / np.maximum(apart, _ROUNDING)


def _write_by_cell(
    stage: Stage, unit: int, rows: np.ndarray, vectors: np.ndarray, cells: np.ndarray, n_cells: int, facts: dict
) -> dict[str, Any]:
    """Writes rows and vectors with a row group for each of their cells; returns the facts in the footer."""
    import pyarrow as pa

    order = np.argsort(cells, kind="stable")
    counts = np.bincount(cells, minlength=n_cells)
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors[order].ravel()), vectors.shape[1])
    groups = counts[counts > 0].tolist()
    table = pa.table({"row": rows[order], "vector": column})
    facts = {"counts": counts.tolist(), **facts}
    stage.write(unit, table, facts, groups)
    return facts


def _sample(run: ScaleRun, seed: int) -> np.ndarray:
    """(m, d) float32 unit vectors of some rows."""
    n = run.n_usable()
    chosen = np.ones(n, dtype=bool)
    if n > _SAMPLE_ROWS:
        chosen[:] = False
        chosen[np.random.default_rng([seed, n]).choice(n, _SAMPLE_ROWS, replace=False)] = True
    found, done = [], 0
    for unit in range(run.n_units):
        vectors = run.vectors(unit)[1]
        found.append(vectors[chosen[done : done + len(vectors)]])
        done += len(vectors)
    return unit_rows(np.concatenate(found))[0]


def _centers(sample: np.ndarray, n_cells: int, seed: int) -> np.ndarray:
    """Centers of cells of roughly equal size."""
    if n_cells == 1:
        return sample.mean(axis=0, keepdims=True)
    labels, centers = kmeans(sample, n_cells, seed=seed)
    usual = len(sample) / n_cells
    for _ in range(n_cells):
        sizes = np.bincount(labels, minlength=len(centers))
        large = int(sizes.argmax())
        if sizes[large] <= _MOST * usual:
            break
        inside = np.flatnonzero(labels == large)
        halves, two = kmeans(sample[inside], 2, seed=seed)
        if np.bincount(halves, minlength=2).min() == 0:  # copies of one image
            break
        centers = np.concatenate([centers, two[1:]])
        centers[large] = two[0]
        labels[inside[halves == 1]] = len(centers) - 1
    sizes = np.bincount(labels, minlength=len(centers))
    return centers[sizes >= min(_LEAST * usual, sizes.max())]
