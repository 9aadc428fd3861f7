"""Near-copies of a run: groups within cells, joined where the border of two cells cuts them.

A near-copy of a row on the other side of a border lies within the near-duplicate radius of it, so the row is no further
from the border than that. Such rows look also into their second-nearest cell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..progress import ProgressCallback
from ..selection.methods.auto.reading import Reading
from ..selection.methods.auto.settings import DEFAULTS
from ..vectors.near_duplicates import NearDuplicates, linked, near_duplicates
from ..vectors.neighbors import unit_rows
from .cells import Cells
from .parts import Stage
from .places import Place
from .reading import pool_of, read_reading

_EMPTY = (("row", "int64"), ("group", "int64"), ("centrality", "float32"))
_FACTS = ("own", "groups", "value")
#: Distances are known to this.
_EXACT = 1e-6


@dataclass(frozen=True)
class GroupWork:
    """Groups the near-copies of cells.

    Attributes:
        stage: where the parts go
        cells: the rows by cell
        visits: the rows that look into a second cell, by that cell
        reading: the file of what was decided for the run
        seed: of the search for neighbours
        num_workers: threads, or None
    """

    stage: Stage
    cells: Cells
    visits: Cells
    reading: Place
    seed: int
    num_workers: int | None

    @contextmanager
    def begin(self, cores: int | None) -> Iterator[Callable[[int, ProgressCallback], None]]:
        """Reads what was decided; see :class:`.engines.base.Work`."""
        reading = read_reading(self.reading)

        def do(cell: int, report: ProgressCallback) -> None:
            self._group(cell, reading, self.num_workers or cores, report)

        yield do

    def _group(self, cell: int, reading: Reading, num_workers: int | None, report: ProgressCallback) -> None:
        import pyarrow as pa

        numbers, vectors = self.cells.read(cell)
        if not len(numbers):
            empty = pa.table({name: pa.array([], kind) for name, kind in _EMPTY})
            self.stage.write(cell, empty, dict.fromkeys(_FACTS, 0))
            return
        pool = pool_of(vectors, self.seed, num_workers, report)
        found = near_duplicates(
            pool.Z, radius=reading.radius, seed=self.seed, num_workers=num_workers, neighbors=pool.neighbors
        )
        visitors, theirs = self.visits.read(cell)
        hosts, near = _nearest(theirs, pool.Z, num_workers)
        stay = near <= reading.radius + _EXACT
        table = {
            "row": np.concatenate([numbers[pool.vectors.rows], visitors[stay]]),
            "group": np.concatenate([found.groups, found.groups[hosts[stay]]]),
            "centrality": np.concatenate([found.centrality, near[stay]]),
        }
        sizes = np.bincount(found.groups)
        worth = reading.worth_of(pool.Z[found.representatives()])  # in the order of rows, as are the groups below
        value = worth * sizes[found.groups[found.representatives()]] ** DEFAULTS.group_growth
        facts = {"own": len(numbers), "groups": len(sizes), "value": float(value.sum())}
        self.stage.write(cell, pa.table(table), facts)


def _nearest(rows: np.ndarray, others: np.ndarray, num_workers: int | None) -> tuple[np.ndarray, np.ndarray]:
    """(v,) int64 the nearest other row of every row, and (v,) float32 its distance."""
    if not len(rows):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
    from sklearn.neighbors import NearestNeighbors
    from threadpoolctl import threadpool_limits

    with threadpool_limits(num_workers):
        search = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(others)
        distances, indices = search.kneighbors(unit_rows(rows)[0])
    return indices[:, 0], distances[:, 0].astype(np.float32)


def groups_of_cell(stage: Stage, cell: int, reading: Reading) -> NearDuplicates:
    """The near-copies of a cell, whose rows are taken in the order of their numbers."""
    table, facts = stage.part(cell)
    rows, groups, centrality = (table[name].to_numpy()[: facts["own"]] for name in ("row", "group", "centrality"))
    order = np.argsort(rows)
    return NearDuplicates(groups[order], reading.radius, reading.clear, centrality[order])


def representatives(stage: Stage, n_cells: int, reading: Reading, given: np.ndarray) -> np.ndarray:
    """Int64 rows that stand for the groups of near-copies of all cells; those that are given do in any case."""
    found = []
    for cell in range(n_cells):
        table, facts = stage.part(cell, ["row"])
        rows = np.sort(table["row"].to_numpy()[: facts["own"]])
        prefer = np.flatnonzero(np.isin(rows, given))
        found.append(rows[groups_of_cell(stage, cell, reading).representatives(prefer)])
    return np.concatenate(found)


@dataclass(frozen=True)
class Joined:
    """What groups that a border cuts come to.

    Attributes:
        away: int64 rows, ascending, that are near-copies of rows of another cell, by which they are represented
        groups: (c,) int64 groups that every cell represents
        value: (c,) float64 how much `auto` lets the groups of every cell count
    """

    away: np.ndarray
    groups: np.ndarray
    value: np.ndarray


def join(stage: Stage, facts_of_cells: Sequence[Mapping[str, Any]], n_rows: int) -> Joined:
    """Joins the groups of all cells; a group that is cut is at home where most of its rows lie.

    Args:
        stage: the groups
        facts_of_cells: what the footers say of them
        n_rows: rows of the run
    """
    group_of = np.full(n_rows, -1, dtype=np.int64)
    visiting: list[np.ndarray] = []
    hosts: list[np.ndarray] = []
    counts: list[int] = []
    n_cells = len(facts_of_cells)
    for cell, facts in enumerate(facts_of_cells):
        table = stage.read(cell)
        rows, groups = table["row"].to_numpy(), table["group"].to_numpy() + sum(counts)
        group_of[rows[: facts["own"]]] = groups[: facts["own"]]
        visiting.append(rows[facts["own"] :])
        hosts.append(groups[facts["own"] :])
        counts.append(facts["groups"])
    cell_of = np.repeat(np.arange(n_cells), counts)
    whole = linked(len(cell_of), group_of[np.concatenate(visiting)], np.concatenate(hosts))
    cut = np.flatnonzero(np.bincount(whole)[whole] > 1)
    sizes = np.bincount(group_of[group_of >= 0], minlength=len(cell_of))[cut]
    places, place = np.unique(np.column_stack([whole[cut], cell_of[cut]]), axis=0, return_inverse=True)
    rows_there = np.bincount(place.reshape(-1), weights=sizes, minlength=len(places))
    order = np.lexsort((-rows_there, places[:, 0]))
    home = np.full(whole.max() + 1, -1)
    home[places[order[::-1], 0]] = places[order[::-1], 1]
    away = np.zeros(len(cell_of), dtype=bool)
    away[cut] = home[whole[cut]] != cell_of[cut]
    rows = np.flatnonzero(group_of >= 0)
    groups = np.array(counts) - np.bincount(cell_of[away], minlength=n_cells)
    return Joined(rows[away[group_of[rows]]], groups, np.array([facts["value"] for facts in facts_of_cells]))
