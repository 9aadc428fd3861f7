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
from ..selection.methods.zcore.engine import Tables, Workers, make_tables
from .lock import one_builder
from .parts import Stage, write_record
from .places import reserve, room
from .run import ScaleRun

COLUMNS = "columns"


class Columns(NamedTuple):
    """Usable vectors by dimension.

    Attributes:
        values: (d, n) float32, memory-mapped
        tables: what ZCore prepares of them
        rows: (n,) int64 numbers of their rows in the run
    """

    values: np.ndarray
    tables: Tables
    rows: np.ndarray


def open_columns(run: ScaleRun, workers: Workers, report: ProgressCallback) -> Columns:
    """Opens the columns of a run, which are made first if they are not there.

    Args:
        run: a run whose vectors are all there
        workers: threads for the preparation
        report: told how far it is

    Returns:
        the columns

    Raises:
        CoresetError: if they are of other vectors than those that are there now, or fewer than 2 rows are usable
    """
    folder = run.scratch / COLUMNS
    record = {"format": 1, "stage": COLUMNS, "input": run.embeddings_digest()}
    with one_builder(run.scratch, COLUMNS), room(folder):
        if not Stage.exists(folder):
            _build(run, folder, record, workers, report)
    Stage.begin(folder, record)
    try:
        rows = np.load(folder / "rows.npy")
        tables = np.load(folder / "tables.npz")
        shape = len(tables["triangles"]), len(rows)
        values, codes = (np.asarray(np.memmap(folder / name, kind, "r", shape=shape)) for name, kind in _FILES)
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise CoresetError(f"{folder} is damaged ({error}); delete it and score again") from error
    return Columns(values, Tables(codes, tables["edges"], tables["triangles"]), rows)


#: The files of a column store, and the types of their numbers.
_FILES = (("values.f32", np.float32), ("codes.u8", np.uint8))


def _build(run: ScaleRun, folder: Path, record: dict[str, Any], workers: Workers, report: ProgressCallback) -> None:
    """Makes the columns aside and renames their folder."""
    aside = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(aside, ignore_errors=True)  # of a call that was killed
    aside.mkdir()
    n = run.n_usable()
    if n < 2:
        raise CoresetError(f"{n} of {len(run):,} rows have a vector, but ZCore compares at least 2")
    shape = run.dimension(), n
    for name, kind in _FILES:
        reserve(aside / name, math.prod(shape) * np.dtype(kind).itemsize)
    values, codes = (np.memmap(aside / name, kind, "r+", shape=shape) for name, kind in _FILES)
    rows, done = np.empty(n, dtype=np.int64), 0
    for unit in range(run.n_units):
        numbers, matrix = run.vectors(unit)
        span = slice(done, done + len(numbers))
        values[:, span], rows[span] = matrix.T, numbers
        done = span.stop
        report(0.8 * done / n, f"{done:,} of {n:,} vectors turned into columns")
    tables = make_tables(np.asarray(values), workers, np.asarray(codes))
    np.save(aside / "rows.npy", rows)
    np.savez(aside / "tables.npz", edges=tables.edges, triangles=tables.triangles)
    values.flush()
    codes.flush()
    write_record(aside / "stage.json", record)
    os.replace(aside, folder)
