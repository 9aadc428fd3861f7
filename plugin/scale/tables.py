"""Tables that hold ids, addresses, images or vectors: Parquet files and Lance tables."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..errors import CoresetError
from ..requirements import require
from .places import Place, as_place, check_unchanged, file_state, readable

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


class Table(Protocol):
    """A table.

    Attributes:
        place: where it is
        schema: its columns
        n_rows: how many rows it has
        state: what tells whether it is still the one that was listed
    """

    place: Place
    schema: pa.Schema
    n_rows: int
    state: dict[str, Any]

    def batches(self, columns: list[str], size: int) -> Iterator[pa.RecordBatch]:
        """Some columns, at most so many rows at a time."""
        ...

    def read(self, column: str, start: int, count: int) -> pa.Array:
        """Some rows of a column."""
        ...


class ParquetTable:
    """A Parquet file.

    Args:
        place: the file

    Raises:
        CoresetError: if it is none
    """

    def __init__(self, place: Place) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.place = place
        try:
            self.state = file_state(place)
            with pq.ParquetFile(readable(place)) as file:
                self._metadata, self.schema = file.metadata, file.schema_arrow
        except (pa.ArrowException, OSError) as error:
            raise CoresetError(
                f"{place} is no Parquet table ({error}); restore it, or give a folder of images or another table"
            ) from error
        self.n_rows = self._metadata.num_rows
        groups = [self._metadata.row_group(group).num_rows for group in range(self._metadata.num_row_groups)]
        self._ends = np.cumsum(groups, dtype=np.int64)
        self._lock = threading.Lock()
        self._last: tuple[Any, Any] = (None, None)

    def batches(self, columns: list[str], size: int) -> Iterator[pa.RecordBatch]:
        """Some columns, at most so many rows at a time."""
        with self._open() as file:
            yield from file.iter_batches(size, columns=columns)

    def _open(self) -> pq.ParquetFile:
        """The file while it is read: a process may have a thousand open, a source may be more."""
        import pyarrow.parquet as pq

        return pq.ParquetFile(readable(self.place), metadata=self._metadata)

    def read(self, column: str, start: int, count: int) -> pa.Array:
        """Some rows of a column; the row groups that hold them are kept for the next call."""
        import pyarrow as pa

        first, last = np.searchsorted(self._ends, [start, start + count - 1], side="right")
        asked = column, int(first), int(last)
        with self._lock:
            if self._last[0] != asked:
                try:
                    with self._open() as file:
                        groups = file.read_row_groups(list(range(first, last + 1)), columns=[column])
                except (pa.ArrowException, OSError) as error:
                    raise CoresetError(
                        f"{self.place} cannot be read ({error}); restore it, or plan a new run in another folder"
                    ) from error
                self._last = asked, groups[column]
            begin = start - (int(self._ends[first - 1]) if first else 0)
            return self._last[1].slice(begin, count).combine_chunks()


class LanceTable:
    """A version of a Lance table.

    Args:
        place: the folder of the table
        version (None): the newest by default

    Raises:
        CoresetError: if the package is missing, or there is no such table or version
    """

    def __init__(self, place: Place, version: int | None = None) -> None:
        require(["lance"])
        import lance

        self.place = place
        try:
            self._table = lance.dataset(str(place), version=version)
        except (OSError, ValueError) as error:
            what = "is no Lance table" if version is None else f"has no version {version} any more"
            raise CoresetError(f"{place} {what} ({str(error).splitlines()[0]}); plan a new run of one") from error
        self.schema, self.n_rows = self._table.schema, self._table.count_rows()
        self.state = {"file": str(place), "version": self._table.version}

    def batches(self, columns: list[str], size: int) -> Iterator[pa.RecordBatch]:
        """Some columns, so many rows at a time."""
        for start in range(0, self.n_rows, size):
            found = self._table.to_table(columns, offset=start, limit=size).combine_chunks()
            yield from found.to_batches()

    def read(self, column: str, start: int, count: int) -> pa.Array:
        """Some rows of a column."""
        return self._table.to_table([column], offset=start, limit=count)[column].combine_chunks()


def read_listed(table: Table, column: str, origin: Mapping[str, Any], first: int, count: int) -> pa.Array:
    """A column of some rows of a unit.

    Args:
        table: holds them
        column: its name
        origin: ``start``, the row of the table at which the unit begins, and ``places``, those of its rows counted from
            there, unless they follow one another
        first: the first of the rows, counted within the unit
        count: how many
    """
    import pyarrow as pa

    places = origin.get("places")
    if places is None:
        return table.read(column, origin["start"] + first, count)
    wanted = np.array(places[first : first + count])
    span = table.read(column, origin["start"] + int(wanted[0]), int(wanted[-1] - wanted[0]) + 1)
    return span.take(pa.array(wanted - wanted[0]))


class ListedTables:
    """The tables that rows were listed from; the last one is kept, because units follow one another in it."""

    def __init__(self) -> None:
        self._last: Table | None = None

    def __call__(self, origin: Mapping[str, Any]) -> Table:
        """The table that rows were listed from, as it was then.

        Raises:
            CoresetError: if it was changed or removed
        """
        place = as_place(origin["file"])
        if "version" not in origin:
            check_unchanged(place, origin)
        if self._last is None or not self._last.state.items() <= origin.items():
            self._last = LanceTable(place, origin["version"]) if "version" in origin else ParquetTable(place)
        return self._last
