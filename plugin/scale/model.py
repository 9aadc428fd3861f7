"""What steps need: sums over a few measured constants.

``python -m benchmarks.scale`` prints what was measured beside what is said here; docs/scale.md has how far they differ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..selection.cost import USUAL_DIMENSIONS, expected_cost
from ..selection.methods.auto.settings import DEFAULTS
from ..vectors.kmeans import rows_seen
from .forecast import Forecast, Machines

#: Seconds of a core: to list a row, to write what is found of it, to carry a number of its vector from one part to
#: another, to read such a number, and to order it in a column.
_LIST, _ROW, _NUMBER, _READ, _SORT = 1.0e-6, 3e-6, 0.03e-6, 0.02e-6, 0.03e-6
#: Seconds of a core: a draw among so many rows, and the power of the rows that it grows with.
_DRAW, _DRAW_ROWS, _DRAW_POWER = 65e-6, 1_000_000, 0.5
#: Seconds of a core: a part that is made, and one that is opened, whatever is in it.
_MADE, _OPENED = 2.0e-3, 0.6e-3
#: Seconds of a core: a number of a row beside one of a center, a row group that is opened, a row that is imported.
_PRODUCT, _OPEN, _IMPORT = 0.3e-9, 0.35e-3, 1.0e-3
#: Power of the length of a vector, below the usual one, that the time of ordering grows with; and of k-means alone.
_SHORTER_POWER, _SHORTER_POWER_OF_MEANS = 0.45, 1.0
#: Seconds of a core in which `auto` reads a run that has as many rows as it looks at.
_JUDGE = 7.0
#: Seconds in which libraries are loaded and kernels compiled, where a step needs them.
_START = 2.0
#: Bytes of a process that has loaded what it needs.
_PROCESS = 0.5e9
#: Bytes of a row: listed, besides its vector, in a ranking; of its sums in a part, in a thread, and when added up.
_LISTED, _BESIDES, _RANKED, _SUMS, _THREAD, _ADDED = 40, 100, 120, 32, 120, 150
#: Bytes of a row in a thread for the two columns that it unpacks, twice for a moment, and their codes.
_UNPACKED = 18
#: Bytes of a number in columns, by its bits: 32 bits have a code beside them.
_COLUMNS = {32: 5, 16: 2}
#: Bytes of a dimension of 16 bits, for what its 65,536 levels stand for and their codes, and while they are made.
_LEVELS, _LEVELS_SAMPLE = 5 * 2**16, 4 * 2**17
#: Rows that centers are made from.
_SAMPLE = 1_000_000


@dataclass(frozen=True)
class Size:
    """How large a run is.

    Attributes:
        rows: with a vector
        dimension: length of a vector
        units: of rows
    """

    rows: int
    dimension: int
    units: int

    @property
    def numbers(self) -> int:
        """Numbers of all vectors."""
        return self.rows * self.dimension


def plan_need(rows: int, units: int, on: Machines) -> Forecast:
    """What ``plan`` needs: one process lists."""
    return _forecast(on, rows * _LIST + units * _MADE, _PROCESS + 4 * 8 * rows, rows * _LISTED)


def embed_need(size: Size, on: Machines, seconds_per_row: float | None = None) -> Forecast:
    """What ``embed`` needs.

    Args:
        size: of the run
        on: the machines
        seconds_per_row (None): of one worker; by default that of copying vectors which are there
    """
    if seconds_per_row is None:
        seconds_per_row = _LIST + _NUMBER * size.dimension
    vectors = 4 * size.dimension + _BESIDES
    in_hand = 4 * vectors * math.ceil(size.rows / size.units)
    seconds = (size.rows * seconds_per_row + size.units * (_OPENED + _MADE)) / min(on.n_workers, size.units)
    return _forecast(on, seconds, on.workers * (_PROCESS + in_hand), size.rows * vectors)


def score_need(size: Size, on: Machines, n_draws: float, n_parts: int, column_bits: int = 32) -> Forecast:
    """What ``score`` needs: one process makes columns, workers draw, one process adds up.

    Args:
        size: of the run
        on: the machines
        n_draws: how many
        n_parts: units of draws
        column_bits (32): of a number in the columns, 32 or 16
    """
    columns = size.numbers * (_READ + _SORT / on.threads)
    busy = min(on.n_workers, n_parts) * on.threads
    draws = _drawing(size.rows, n_draws) / busy
    thread, levels, sample = _THREAD, 0, 0
    if column_bits == 16:
        thread, levels, sample = _THREAD + _UNPACKED, _LEVELS * size.dimension, _LEVELS_SAMPLE * size.dimension
    memory = size.rows * max(on.workers * (on.threads * thread + 2 * _SUMS), _ADDED) + levels + sample
    storage = size.rows * (_COLUMNS[column_bits] * size.dimension + 8 + _SUMS * (n_parts + 1)) + levels
    files = size.rows * _LIST + 3 * size.units * _OPENED
    return _forecast(on, _START + columns + draws + files, on.workers * _PROCESS + memory, storage)


def select_need(size: Size, on: Machines, method: str, keep: int, n_cells: int) -> Forecast:
    """What ``select`` needs: one process makes centers, workers sort units and order cells, one process merges.

    Args:
        size: of the run
        on: the machines
        method: its name
        keep: rows to keep
        n_cells: cells it works by; 0 where it needs none
    """
    merging, ranking = keep * _ROW, keep * _RANKED
    if not n_cells:
        files = size.rows * _LIST + 2 * size.units * _OPENED
        return _forecast(on, files + merging, _PROCESS + size.rows * _LISTED, ranking)
    in_cell = math.ceil(size.rows / n_cells)
    sample = min(size.rows, _SAMPLE)
    centers = _START + size.numbers * _READ + rows_seen(sample, n_cells) * n_cells * size.dimension * _PRODUCT
    centers += 3 * size.units * _OPENED
    sorting = (size.numbers * _NUMBER + size.units * (_OPENED + _MADE)) / min(on.n_workers, size.units)
    sorting += size.numbers * n_cells * _PRODUCT / (on.n_workers * on.threads)
    reading = (n_cells * min(size.units, in_cell) * _OPEN + size.numbers * _READ) / min(on.n_workers, n_cells)
    ordering, of_cell = _ordering(in_cell, size.dimension, method, n_cells > 1)
    ordering *= n_cells / (min(on.n_workers, n_cells) * on.threads)
    judging = 0.0
    if method == "auto" and n_cells > 1:
        judging = _JUDGE * min(1.0, size.rows / DEFAULTS.judged_rows) / on.threads
    of_driver = _PROCESS + 3 * 4 * sample * size.dimension + 8 * n_cells * size.units
    seconds = centers + judging + sorting + reading + ordering + merging
    storage = size.rows * (4 * size.dimension + 8) + ranking
    return _forecast(on, seconds, max(on.workers * of_cell, of_driver), storage)


def among_need(size: Size, on: Machines, method: str, keep: int) -> Forecast:
    """What a method needs that chooses among some rows, on one machine."""
    seconds, memory = _ordering(size.rows, size.dimension, method)
    reading = size.numbers * _READ + 2 * size.units * _OPENED + keep * _ROW
    return _forecast(on, _START + reading + seconds / on.threads, memory, keep * _RANKED)


def import_need(dimension: int, keep: int, on: Machines) -> Forecast:
    """What ``import`` needs: one process; the storage is that of the database."""
    return _forecast(on, _START + keep * _IMPORT, _PROCESS + keep * (12 * dimension + 1_000), keep * 5 * dimension)


def _drawing(rows: int, n_draws: float) -> float:
    """Seconds of a core that draws take."""
    return n_draws * _DRAW * (rows / _DRAW_ROWS) ** _DRAW_POWER


def _ordering(rows: int, dimension: int, method: str, of_cell: bool = False) -> tuple[float, float]:
    """Seconds of a core and bytes in which a method orders rows; 0 seconds if it was never measured."""
    # Vectors of fewer numbers than were measured take less time, though not in proportion.
    cost = expected_cost(method, rows, max(dimension, USUAL_DIMENSIONS))
    power = _SHORTER_POWER_OF_MEANS if method == "stratified" else _SHORTER_POWER
    shorter = min(1.0, dimension / USUAL_DIMENSIONS) ** power
    if cost is None:
        return 0.0, _PROCESS
    seconds = cost.seconds
    if of_cell and method == "auto":  # which then takes no draws
        judged = min(rows, DEFAULTS.judged_rows)
        seconds -= _drawing(judged, DEFAULTS.n_draws(judged))
    return seconds * shorter, cost.gigabytes * 1e9


def _forecast(on: Machines, seconds: float, memory: float, storage: float) -> Forecast:
    cost = None if on.price is None else on.price * on.nodes * seconds / 3600
    return Forecast(seconds, memory, storage, cost)
