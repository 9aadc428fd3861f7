"""The vectors of a run by dimension, as ZCore reads them: one row of a file for each dimension, memory-mapped."""

from __future__ import annotations

import math
import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np

from ..errors import CoresetError
from ..progress import ProgressCallback
from ..selection.methods.zcore.columns import PackedColumns, Tables, find_levels, make_tables, pack
from ..selection.methods.zcore.engine import Workers
from .lock import one_builder
from .parts import Stage, write_record
from .places import reserve, room
from .run import COLUMNS, ScaleRun

#: Rows, at most, that the levels of 16 bits are made from, besides the least and largest values.
_SAMPLE_ROWS = 2**17


class Columns(NamedTuple):
    """Usable vectors by dimension.

    Attributes:
        values: (d, n) float32, or packed, memory-mapped
        tables: what ZCore prepares of them
        rows: (n,) int64 numbers of their rows in the run
    """

    values: np.ndarray | PackedColumns
    tables: Tables
    rows: np.ndarray


def open_columns(run: ScaleRun, vectors: str, bits: int, workers: Workers, report: ProgressCallback) -> Columns:
    """Opens the columns of a run, which are made first if they are not there.

    Args:
        run: a run whose vectors are all there
        vectors: what identifies them
        bits: of a number, 32 or 16
        workers: threads for the preparation
        report: told how far it is

    Returns:
        the columns

    Raises:
        CoresetError: if they are of other vectors than those that are there now, or fewer than 2 rows are usable
    """
    folder = run.scratch / COLUMNS[bits]
    record = {"format": 1, "stage": COLUMNS[bits], "input": vectors}
    run.refuse_shorter(folder, vectors)
    with one_builder(run.scratch, COLUMNS[bits]), room(folder):
        if not Stage.exists(folder):
            _build(run, folder, bits, record, workers, report)
    Stage.begin(folder, record)
    try:
        rows = np.load(folder / "rows.npy")
        tables = np.load(folder / "tables.npz")
        shape = len(tables["triangles"]), len(rows)
        maps = (np.memmap(folder / name, kind, "r", shape=shape) for name, kind in _FILES[bits])
        values, *codes = map(np.asarray, maps)
        prepared = Tables(codes[0] if codes else tables["codes"], tables["edges"], tables["triangles"])
        if bits == 16:
            return Columns(PackedColumns(values, np.load(folder / "levels.npy", mmap_mode="r")), prepared, rows)
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise CoresetError(f"{folder} is damaged ({error}); delete it and score again") from error
    return Columns(values, prepared, rows)


#: The files of a column store that hold something of every number, and its type.
_FILES: dict[int, list[tuple[str, type]]] = {
    32: [("values.f32", np.float32), ("codes.u8", np.uint8)],
    16: [("values.u16", np.uint16)],
}


def _build(
    run: ScaleRun, folder: Path, bits: int, record: dict[str, Any], workers: Workers, report: ProgressCallback
) -> None:
    """Makes the columns aside and renames their folder."""
    aside = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(aside, ignore_errors=True)  # of a call that was killed
    aside.mkdir()
    n = run.n_usable()
    if n < 2:
        raise CoresetError(f"{n} of {len(run):,} rows have a vector, but ZCore compares at least 2")
    shape = run.dimension(), n
    for name, kind in _FILES[bits]:
        reserve(aside / name, math.prod(shape) * np.dtype(kind).itemsize)
    files = [np.memmap(aside / name, kind, "r+", shape=shape) for name, kind in _FILES[bits]]
    values, *codes = map(np.asarray, files)
    levels = _levels(run, workers) if bits == 16 else None
    rows, done = np.empty(n, dtype=np.int64), 0
    for unit in range(run.n_units):
        numbers, matrix = run.vectors(unit)
        span = slice(done, done + len(numbers))
        values[:, span], rows[span] = matrix.T if levels is None else pack(matrix, levels), numbers
        done = span.stop
        report(0.8 * done / n, f"{done:,} of {n:,} vectors turned into columns")
    np.save(aside / "rows.npy", rows)
    if levels is None:
        tables = make_tables(values, workers, *codes)
        np.savez(aside / "tables.npz", edges=tables.edges, triangles=tables.triangles)
    else:
        tables = make_tables(PackedColumns(values, levels), workers)
        np.save(aside / "levels.npy", levels)
        np.savez(aside / "tables.npz", **tables._asdict())
    for file in files:
        file.flush()
    write_record(aside / "stage.json", record)
    os.replace(aside, folder)


def _levels(run: ScaleRun, workers: Workers) -> np.ndarray:
    """(d, 65536) float32 levels of every dimension, from its least and largest value and every so many rows."""
    n, dimension = run.n_usable(), run.dimension()
    step = math.ceil(n / _SAMPLE_ROWS)
    lows, highs = np.full((2, dimension), [[np.inf], [-np.inf]], dtype=np.float32)
    sample = np.empty((math.ceil(n / step) + 2, dimension), dtype=np.float32)
    done = 0
    for unit in range(run.n_units):
        matrix = run.vectors(unit)[1]
        lows = np.minimum(lows, matrix.min(axis=0, initial=np.inf))
        highs = np.maximum(highs, matrix.max(axis=0, initial=-np.inf))
        some = matrix[-done % step :: step]
        sample[math.ceil(done / step) :][: len(some)] = some
        done += len(matrix)
    sample[-2:] = lows, highs
    return np.stack(list(workers.map(find_levels, iter(sample.T))))
