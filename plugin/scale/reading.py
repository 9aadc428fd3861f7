"""What is decided for a run as a whole before its cells are worked on, one after the other."""

from __future__ import annotations

import io
from dataclasses import asdict

import numpy as np

from ..errors import CoresetError
from ..progress import ProgressCallback
from ..selection.constraints import Constraints, Given, prepare
from ..selection.methods.auto.reading import Reading, read
from ..selection.pool import Pool
from ..vectors.neighbors import pairwise_distances, unit_rows
from .places import Place, readable, write_once
from .run import ScaleRun

#: Random rows that are looked at, as many as `auto` judges ZCore by.
_SAMPLE_ROWS = 10_000
#: Places where bursts are looked for, and rows of each, as on one machine.
_PLACES, _PLACE_ROWS = 32, 640


def pool_of(vectors: np.ndarray, seed: int, num_workers: int | None, report: ProgressCallback) -> Pool:
    """Vectors as selectors see them."""
    prepared = prepare(
        vectors,
        Constraints(),
        Given(),
        every_row_needs_a_label=False,
        seed=seed,
        num_workers=num_workers,
        report=report,
    )
    return prepared.pool


def find_reading(run: ScaleRun, path: Place, seed: int, num_workers: int | None, report: ProgressCallback) -> Reading:
    """What some rows of a run tell, read once.

    Args:
        run: a run whose vectors are all there
        path: the file that keeps it
        seed: of the rows and of all randomness
        num_workers: threads, or None
        report: told how far it is

    Returns:
        the reading
    """
    if not path.is_file():
        parts = (run.gather(rows) for rows in _rows(run, seed))
        surroundings, sample = (pool_of(part, seed, num_workers, report) for part in parts)
        content = io.BytesIO()
        found = asdict(read(surroundings, sample))
        found["trusted"] &= not found["clear"]  # scores of a run are those of rows with copies beside them
        np.savez(content, **found)
        write_once(path, content.getvalue())
    return read_reading(path)


def read_reading(path: Place) -> Reading:
    """The reading in a file.

    Raises:
        CoresetError: if it is damaged
    """
    try:
        with np.load(readable(path)) as found:
            return Reading(
                float(found["radius"]),
                bool(found["clear"]),
                bool(found["trusted"]),
                found["centers"],
                found["worth"],
            )
    except CoresetError:
        raise
    except Exception as error:  # a damaged archive raises whatever its parts do
        raise CoresetError(f"{path} is damaged ({error}); delete its folder and select again") from error


def _rows(run: ScaleRun, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows with all that are near them, and random rows."""
    usable = run.usable_rows()
    count = min(len(usable), _SAMPLE_ROWS)
    sample = usable[np.random.default_rng([seed, len(usable)]).choice(len(usable), count, replace=False)]
    if len(usable) <= _PLACES * _PLACE_ROWS:
        return usable, sample
    middles = unit_rows(run.gather(sample[:_PLACES]))[0]
    near: np.ndarray = np.empty((_PLACES, 0), dtype=np.float32)
    rows: np.ndarray = np.empty((_PLACES, 0), dtype=np.int64)
    for unit in range(run.n_units):
        numbers, vectors = run.vectors(unit)
        near = np.concatenate([near, pairwise_distances(middles, unit_rows(vectors)[0])], axis=1)
        rows = np.concatenate([rows, np.broadcast_to(numbers, (_PLACES, len(numbers)))], axis=1)
        if near.shape[1] > _PLACE_ROWS:
            nearest = np.argpartition(near, _PLACE_ROWS, axis=1)[:, :_PLACE_ROWS]
            near, rows = (np.take_along_axis(values, nearest, axis=1) for values in (near, rows))
    return np.unique(rows), sample
