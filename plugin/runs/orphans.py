"""What runs have left behind that were deleted by a process without this package: found, and removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..brain import MAP_MARK, Coreset, CoresetConfig
from ..dataset.lock import database_faults, schema_turn
from ..dataset.owned import delete_fields, owned_fields
from ..dataset.run_record import delete_files
from ..errors import CoresetError
from ..rank_views import views_on_rank

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection
    from fiftyone.core.dataset import Dataset


def find_orphans(samples: SampleCollection) -> dict[str, list[str]]:
    """Finds fields, maps and saved views of coreset runs that exist no more.

    FiftyOne deletes only the record of a run where this package is not installed. Nothing of a user's is counted: what
    a run made carries its mark.

    Args:
        samples: a dataset or view

    Returns:
        a dict with the keys ``"fields"``, ``"maps"`` (visualization runs) and ``"views"``, each a sorted list of names

    Examples:
        >>> fc.find_orphans(dataset)
        {'fields': [], 'maps': [], 'views': []}
    """
    dataset = samples._root_dataset
    return {kind: names for kind, names in _orphans(dataset).items() if kind != "runs"}


def remove_orphans(samples: SampleCollection) -> dict[str, list[str]]:
    """Removes what :func:`find_orphans` finds, with the values in those fields.

    Args:
        samples: a dataset or view

    Returns:
        what was removed, as from :func:`find_orphans`

    Raises:
        CoresetError: if another process writes to the dataset and does not finish, or the database does not answer

    Examples:
        >>> fc.remove_orphans(dataset)
        {'fields': [], 'maps': [], 'views': []}
    """
    dataset = samples._root_dataset
    rest = "what is left of it is found again: see that mongod runs, and call again"
    with database_faults(rest), schema_turn(dataset):
        found = _orphans(dataset)
        for view in found["views"]:
            dataset.delete_saved_view(view)
        for map_key in found["maps"]:
            Coreset.delete_run(dataset, map_key, cleanup=False)
        delete_fields(dataset, found["fields"])
        for run_id in found.pop("runs"):
            delete_files(dataset, run_id)
    return found


def require_no_orphans(dataset: Dataset, config: CoresetConfig) -> None:
    """Makes room for a run's fields and map: removes orphans in their place, refuses anything else. In a turn.

    Saved views of an orphan's rank stay, and show the new run.

    Args:
        dataset: the dataset
        config: the record of the run

    Raises:
        CoresetError: if a path or the map's name is taken by something that is no orphan of a coreset run
    """
    found, owned = _orphans(dataset), owned_fields(dataset, config.run_id)
    paths = [path for path in config.fields.values() if dataset.has_field(path) and path not in owned]
    for path in paths:
        if path not in found["fields"]:
            raise CoresetError(f"field '{path}' exists and belongs to no coreset run; choose another brain_key")
    if config.map_key in dataset.list_brain_runs():
        if config.map_key not in found["maps"]:
            raise CoresetError(f"brain run '{config.map_key}' exists; choose another brain_key")
        Coreset.delete_run(dataset, config.map_key, cleanup=False)
    delete_fields(dataset, paths)


def _orphans(dataset: Dataset) -> dict[str, Any]:
    """Everything that carries the mark of a run which has no record."""
    records = dataset._doc.get_brain_methods()
    alive = {record.config.get("run_id") for record in records.values()}
    fields = {path: mark for path, mark in owned_fields(dataset).items() if mark["run"] not in alive}
    maps = {key: record.config.get(MAP_MARK) for key, record in records.items()}
    maps = {key: run for key, run in maps.items() if run is not None and run not in alive}
    ranks = [path for path, mark in fields.items() if mark["column"] in ("rank", "round")]
    return {
        "fields": sorted(fields),
        "maps": sorted(maps),
        "views": sorted({view for path in ranks for view in views_on_rank(dataset, path)}),
        "runs": {mark["run"] for mark in fields.values()} | set(maps.values()),
    }
