"""A folder of runs, from which somebody may choose."""

from __future__ import annotations

from pathlib import Path

from ..errors import CoresetError
from .parts import Stage, footer
from .run import RECORD, SELECT, ScaleRun
from .selecting import ranking_path
from .store import Place, as_place


def runs_in(folder: str | Path) -> dict[str, Place]:
    """The runs that lie in a folder.

    Args:
        folder: the folder that holds their folders

    Returns:
        the folders of the runs by their names, in order

    Raises:
        CoresetError: if there is no such folder
    """
    folder = as_place(folder)
    if not folder.is_dir():
        raise CoresetError(f"{folder} is no folder; make it, or name another one")
    return {path.name: path for path in sorted(folder.iterdir()) if (path / RECORD).is_file()}


def complete_selections(run: ScaleRun) -> dict[str, int]:
    """The selections of a run whose rankings are there.

    Returns:
        how many rows each ranks, by its name

    Raises:
        CoresetError: if a ranking belongs to something else
    """
    found = {}
    for folder in sorted((run.folder / SELECT).glob("*")):
        if Stage.exists(folder):
            stage = Stage.load(folder)
            if footer(ranking_path(run, folder.name), stage.key) is not None:
                found[folder.name] = int(stage.record["keep"])
    return found
