"""A folder of runs, from which somebody may choose."""

from __future__ import annotations

from pathlib import Path

from ..errors import CoresetError
from .places import Place, as_place, entries
from .run import RECORD, ScaleRun
from .state import selections


def runs_in(folder: str | Path) -> dict[str, Place]:
    """The runs that lie in a folder.

    Args:
        folder: the folder that holds their folders

    Returns:
        the folders of the runs by their names, in order

    Raises:
        CoresetError: if there is no such folder
    """
    place = as_place(folder)
    if not place.is_dir():
        raise CoresetError(f"{place} is no folder; make it, or name another one")
    return {path.name: path for path in entries(place) if (path / RECORD).is_file()}


def complete_selections(run: ScaleRun) -> dict[str, int]:
    """The selections of a run whose rankings are there.

    Returns:
        how many rows each ranks, by its name

    Raises:
        CoresetError: if a ranking belongs to something else
    """
    return {name: int(stage.record["keep"]) for name, (stage, complete) in selections(run).items() if complete}
