"""Units of vectors that are there already, in a table, or are made up."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from ..embeddings.report import Outcome
from ..errors import CoresetError
from .places import Place
from .synthetic import SyntheticPool
from .table import UnitRows
from .tables import ListedTables, read_listed

if TYPE_CHECKING:
    import pyarrow as pa

    from .parts import Stage


class UnitsWithoutModel(ABC):
    """Units whose vectors need no model."""

    @abstractmethod
    def __call__(self, unit: int) -> UnitRows:
        """The vectors of a unit, and what became of every row."""

    def record(self, dimension: int) -> dict[str, Any] | None:
        """What a field of these vectors says of its model: nothing is known of it."""
        return None

    def probe(self, unit: int) -> tuple[float, int | None]:
        """Measures on a unit: the seconds that a row takes by the clock, and the length of a vector."""
        started = time.perf_counter()
        found = self(unit)
        return (time.perf_counter() - started) / sum(found.counts.values()), found.dimension


class SyntheticUnits(UnitsWithoutModel):
    """Makes units of vectors with known answers.

    Args:
        manifest: the rows of all units
        pool: the vectors
    """

    def __init__(self, manifest: Stage, pool: SyntheticPool) -> None:
        self._manifest = manifest
        self._pool = pool

    def __call__(self, unit: int) -> UnitRows:
        """Makes the vectors of a unit."""
        rows, facts = self._manifest.part(unit)
        start = facts["origin"]["start"]
        found = UnitRows(rows)
        found.succeed(np.arange(len(rows)), self._pool.vectors(start, start + len(rows)))
        return found


class VectorUnits(UnitsWithoutModel):
    """Reads units of vectors from a table.

    Args:
        manifest: the rows of all units
        column: the column that holds their vectors
    """

    def __init__(self, manifest: Stage, column: str) -> None:
        self._manifest = manifest
        self._column = column
        self._tables = ListedTables()

    def __call__(self, unit: int) -> UnitRows:
        """Reads the vectors of a unit and says what became of every row.

        Raises:
            CoresetError: if the file changed since it was listed, or vectors differ in length
        """
        rows, facts = self._manifest.part(unit)
        origin = facts["origin"]
        table = self._tables(origin)
        column = read_listed(table, self._column, origin, 0, len(rows))
        found = UnitRows(rows)
        present = np.flatnonzero(np.asarray(column.is_valid()))
        for place in np.flatnonzero(~np.asarray(column.is_valid())):
            found.fail(int(place), Outcome.MISSING, "the table has no vector for it")
        if len(present):
            matrix = _matrix(column.drop_null(), table.place, self._column)
            good = np.isfinite(matrix).all(axis=1)
            found.succeed(present[good], matrix[good])
            for place in present[~good]:
                found.fail(int(place), Outcome.NON_FINITE, "its vector is not finite")
        return found


def _matrix(column: pa.Array, file: Place, name: str) -> np.ndarray:
    """(m, d) float32 vectors of a column without nulls; values that are null are not finite."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lengths = (
        [column.type.list_size]
        if pa.types.is_fixed_size_list(column.type)
        else pc.unique(pc.list_value_length(column)).to_pylist()
    )
    if len(lengths) > 1 or lengths[0] == 0:
        raise CoresetError(
            f"column '{name}' of {file} has vectors of {lengths[0]} and {lengths[-1]} numbers; all of a run must be of "
            "one model"
        )
    values = column.flatten()
    with np.errstate(over="ignore"):
        numbers = values.to_numpy(zero_copy_only=False).astype(np.float32)
    return numbers.reshape(len(column), lengths[0])
