"""Rows that a selection is given: images that are kept already, by their ids."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CoresetError
from .run import ScaleRun

logger = logging.getLogger(__name__)


def read_ids(given: Sequence[Any] | str | Path) -> list[Any]:
    """Ids: those given, or the lines of a text file.

    Raises:
        CoresetError: if the file cannot be read
    """
    if not isinstance(given, str | Path):
        return list(given)
    try:
        return Path(given).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CoresetError(f"{given} cannot be read ({error}); give a text file with one id a line") from error


def rows_of(run: ScaleRun, given: Sequence[Any] | str | Path) -> np.ndarray:
    """The rows of some ids.

    Args:
        run: the run
        given: ids, or a text file with one a line; empty lines do not count

    Returns:
        (m,) int64 numbers of their rows in the run, in the order given; those without a vector are left out

    Raises:
        CoresetError: if an id is not in the run, or comes twice
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    ids = [name for name in read_ids(given) if name != ""]
    rows = np.full(len(ids), -1, dtype=np.int64)
    kind = run.manifest.read(0, ["id"])["id"].type
    try:
        wanted = pa.array([str(name) for name in ids]).cast(kind)
    except pa.ArrowInvalid as error:
        raise CoresetError(f"preselected: ids of {run.folder} are whole numbers ({error})") from error
    for unit in range(run.n_units):
        found = pc.index_in(wanted, run.manifest.read(unit, ["id"])["id"].combine_chunks())
        there = np.flatnonzero(np.asarray(found.is_valid()))
        rows[there] = run.starts[unit] + found.drop_null().to_numpy()
    unknown = np.flatnonzero(rows < 0)
    if len(unknown):
        named = ", ".join(repr(ids[place]) for place in unknown[:3])
        known = run.manifest.read(0, ["id"])["id"][0].as_py()
        raise CoresetError(
            f"preselected: {run.folder} has no rows of {len(unknown):,} of {len(ids):,} ids, e.g. {named}; its own are "
            f"like {known!r}"
        )
    if len(np.unique(rows)) < len(rows):
        raise CoresetError(f"preselected: {len(rows) - len(np.unique(rows)):,} of {len(ids):,} ids come more than once")
    usable = rows[np.isin(rows, run.usable_rows())]
    if len(usable) < len(rows):
        logger.warning("%d of %d preselected rows have no vector and are left out", len(rows) - len(usable), len(rows))
    return usable


def fingerprint(rows: np.ndarray) -> dict[str, Any]:
    """What identifies rows in the record of a selection."""
    return {"n": len(rows), "digest": hashlib.sha256(rows.tobytes()).hexdigest()[:16]}
