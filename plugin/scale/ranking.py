"""Rankings: the rows that a selection keeps, first to keep first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import CoresetError
from .parts import Stage, read_table, write_table
from .places import Place
from .run import RANKING, SELECT, ScaleRun
from .store import StorePath

if TYPE_CHECKING:
    import pyarrow as pa


def ranking_path(run: ScaleRun, name: str) -> Place:
    """The file of a ranking."""
    return run.folder / SELECT / name / RANKING


def read_ranking(out: str | Path | StorePath, name: str) -> pa.Table:
    """The rows that a selection keeps, first to keep first.

    Args:
        out: the folder of the run
        name: the name of the selection

    Returns:
        a table with columns ``row``, ``id``, ``uri``, ``rank`` and ``cell``

    Raises:
        CoresetError: if there is no such selection, it is not complete, or it is of other vectors than those that are
            there now
    """
    return ranking_of(ScaleRun(out), name)


def ranking_of(run: ScaleRun, name: str) -> pa.Table:
    """The ranking of a run that is open; see :func:`read_ranking`."""
    stage = Stage.load(run.folder / SELECT / name)
    vectors = run.embeddings_digest()
    if stage.record["input"] != vectors:
        run.refuse_shorter(stage.folder, vectors)
        raise CoresetError(f"{stage.folder} holds a selection of other vectors; delete it and select again")
    return read_table(ranking_path(run, name), stage.key)


def write_ranking(run: ScaleRun, stage: Stage, rows: np.ndarray, cells: np.ndarray) -> None:
    """Writes rows, first to keep first, with their ids and addresses."""
    import pyarrow as pa

    ordered = np.sort(rows)
    ends = np.searchsorted(ordered, run.starts)
    pieces = []
    for unit in np.flatnonzero(np.diff(ends)):
        places = ordered[ends[unit] : ends[unit + 1]] - run.starts[unit]
        pieces.append(run.manifest.read(int(unit)).take(places))
    names = pa.concat_tables(pieces).take(np.searchsorted(ordered, rows))
    table = pa.table(
        {
            "row": rows,
            "id": names["id"].combine_chunks(),
            "uri": names["uri"].combine_chunks(),
            "rank": np.arange(len(rows)),
            "cell": cells,
        }
    )
    write_table(stage.folder / RANKING, table, stage.key, {"n": run.n_usable()})
