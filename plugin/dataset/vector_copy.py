"""A run's own copy of its vectors, to look around rows that are added: read in a hundredth of the time of a field.

Rows have unit length and half precision, which moves them by at most 2**-11. There is a file for all rows that were
ranked together; the run's record names them, in the order of the rows. What an update says of a row it reads from the
field: the copy tells where to look.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .run_record import owner

if TYPE_CHECKING:
    from fiftyone.core.dataset import Dataset

#: What marks the file of a copy, its shape: files of datasets that were deleted are found by it.
_SHAPE = "coreset_vectors"
#: Bytes that are converted at a time.
_BYTES = 2**24


def store_copy(dataset: Dataset, run_id: str, unit: np.ndarray) -> str:
    """Stores rows of a copy; no record names them yet.

    FiftyOne deletes datasets without asking their runs, and so does a process without this package delete runs. Copies
    that were left behind are removed here.

    Args:
        dataset: the dataset
        run_id: the run
        unit: (n, d) float32 vectors of unit length, NaN where missing

    Returns:
        the name of the file
    """
    import gridfs
    from fiftyone.core.odm import get_db_conn

    database = get_db_conn()
    files = gridfs.GridFS(database)
    runs = database.runs.find({"config.run_id": {"$ne": None}}, {"config.run_id": 1, "_dataset_id": 1})
    owners = {(run["config"]["run_id"], run["_dataset_id"]) for run in runs}
    for file in list(database.fs.files.find({_SHAPE: {"$exists": True}})):
        if (file["coreset_run"], file["coreset_dataset"]) not in owners:
            files.delete(file["_id"])
    step = max(1, _BYTES // (2 * unit.shape[1]))
    with files.new_file(**owner(dataset, run_id), **{_SHAPE: list(unit.shape)}) as file:
        for start in range(0, len(unit), step):
            file.write(unit[start : start + step].astype("<f2").tobytes())
    return str(file._id)


def read_copy(names: Sequence[str], n: int) -> np.ndarray | None:
    """Reads a copy.

    Args:
        names: the files, as :func:`store_copy` named them
        n: how many rows they should have

    Returns:
        (n, d) float32, or None if a file is gone or they are no such copy
    """
    import gridfs
    from bson import ObjectId
    from fiftyone.core.odm import get_db_conn

    files = gridfs.GridFS(get_db_conn())
    try:
        found = [files.get(ObjectId(name)) for name in names]
        shapes = [getattr(file, _SHAPE) for file in found]
        if not found or sum(rows for rows, _ in shapes) != n or len({dim for _, dim in shapes}) > 1:
            return None
        unit = np.empty((n, shapes[0][1]), dtype=np.float32)
        start = 0
        for file, (rows, dim) in zip(found, shapes, strict=True):
            step = max(1, _BYTES // (2 * dim))
            for first in range(start, start + rows, step):
                part = unit[first : min(first + step, start + rows)]
                part[:] = np.frombuffer(file.read(2 * part.size), dtype="<f2").reshape(part.shape)
            start += rows
    except (gridfs.errors.GridFSError, AttributeError, ValueError):
        return None  # it is of another database, or damaged; the field has the vectors
    return unit
