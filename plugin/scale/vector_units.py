"""Units of vectors that are there already, in a Parquet table."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from ..embeddings.report import Outcome
from ..errors import CoresetError
from .places import Place, as_place, check_unchanged, readable
from .table import UnitRows

if TYPE_CHECKING:
    import pyarrow as pa

    from .parts import Stage


class VectorUnits:
    """Reads units of vectors.

    Args:
        manifest: the rows of all units
        column: the column that holds their vectors
    """

    def __init__(self, manifest: Stage, column: str) -> None:
        self._manifest = manifest
        self._column = column

    def __call__(self, unit: int) -> UnitRows:
        """Reads the vectors of a unit and says what became of every row.

        Raises:
            CoresetError: if the file changed since it was listed, or vectors differ in length
        """
        rows, origin = self._manifest.read(unit), (self._manifest.facts(unit) or {})["origin"]
        file = as_place(origin["file"])
        check_unchanged(file, origin)
        column = _read_rows(file, self._column, origin["start"], len(rows))
        found = UnitRows(rows)
        present = np.flatnonzero(np.asarray(column.is_valid()))
        for place in np.flatnonzero(~np.asarray(column.is_valid())):
            found.fail(int(place), Outcome.MISSING, "the table has no vector for it")
        if len(present):
            matrix = _matrix(column.drop_null(), file, self._column)
            good = np.isfinite(matrix).all(axis=1)
            found.succeed(present[good], matrix[good])
            for place in present[~good]:
                found.fail(int(place), Outcome.NON_FINITE, "its vector is not finite")
        return found

    def record(self, dimension: int) -> None:
        """What a field of these vectors says of its model: nothing is known of it."""

    def probe(self, unit: int) -> tuple[float, int | None]:
        """Measures on a unit: the seconds that a row takes by the clock, and the length of a vector."""
        started = time.perf_counter()
        found = self(unit)
        return (time.perf_counter() - started) / sum(found.counts.values()), found.dimension


def _read_rows(file: Place, column: str, start: int, count: int) -> pa.Array:
    """Reads a range of rows; only the row groups that hold them are touched."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(readable(file)) as table:
            sizes = [table.metadata.row_group(group).num_rows for group in range(table.num_row_groups)]
            ends = np.cumsum(sizes)
            first, last = np.searchsorted(ends, [start, start + count - 1], side="right")
            found = table.read_row_groups(list(range(first, last + 1)), columns=[column])[column]
            begin = start - (int(ends[first]) - sizes[first])
            return found.slice(begin, count).combine_chunks()
    except (pa.ArrowException, OSError) as error:
        raise CoresetError(
            f"{file} cannot be read ({error}); restore it, or plan a new run in another folder"
        ) from error


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
