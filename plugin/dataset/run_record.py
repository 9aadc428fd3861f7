"""The stored form of a run: results lie beside what is there until one small write makes record and results valid."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from ..errors import CoresetError
from .owned import stored_paths

if TYPE_CHECKING:
    from fiftyone.core.brain import BrainResults
    from fiftyone.core.dataset import Dataset


def store_results(results: BrainResults) -> Any:
    """Stores the results under an id of their own; no record names them yet.

    Args:
        results: the results of a run, whose config has a ``run_id``

    Returns:
        the id
    """
    import gridfs
    from bson import json_util
    from fiftyone.core.odm import get_db_conn

    stored = json_util.dumps(results.serialize()).encode()
    files = gridfs.GridFS(get_db_conn())
    mark = owner(results.samples._root_dataset, results.config.run_id)
    return files.put(stored, content_type="application/json", **mark)


def commit_run(dataset: Dataset, results: BrainResults, file: Any) -> None:
    """Makes the run valid, and with it the fields and results that it names, in one journaled write. In a turn.

    Args:
        dataset: the dataset
        results: the results; the record says ``state="complete"`` from then on
        file: what :func:`store_results` returned

    Raises:
        CoresetError: if the run, or a field of it, was deleted meanwhile
    """
    import fiftyone as fo
    from bson import json_util
    from fiftyone.core.odm import get_db_conn
    from pymongo import WriteConcern

    config, samples = results.config, results.samples
    lost = set(config.fields.values()) - stored_paths(dataset)
    document = run_document(dataset, config.run_id)
    if lost or document is None:
        what = f"field '{min(lost)}'" if lost else f"run '{results.key}'"
        raise CoresetError(f"{what} was deleted while the run was being written; call again")
    config.state = "complete"
    view = None if samples is dataset else samples._serialize(include_uuids=False)
    runs = get_db_conn().get_collection("runs", write_concern=WriteConcern(j=True))
    runs.update_one(
        {"_id": document.id},
        {
            "$set": {
                "config": config.serialize(),
                "results": file,
                "results_meta": dict(results.get_meta() or {}),
                "timestamp": datetime.datetime.now(datetime.timezone.utc),
                "version": fo.__version__,
                "view_stages": None if view is None else [json_util.dumps(stage) for stage in view],
            }
        },
    )
    dataset._reload(hard=True)
    dataset._brain_cache[results.key] = results


def run_document(dataset: Dataset, run_id: str) -> Any:
    """The record of a run, under whatever name it has by now; None if there is none."""
    runs = dataset._doc.get_brain_methods()
    return next((run for run in runs.values() if run.config.get("run_id") == run_id), None)


def delete_files(dataset: Dataset, run_id: str, but: Any = None) -> None:
    """Deletes the stored files of a run of this dataset.

    Args:
        dataset: the dataset
        run_id: the run
        but (None): the record of the run, see :func:`run_document`, whose results and copies of vectors stay
    """
    import gridfs
    from bson import ObjectId
    from fiftyone.core.odm import get_db_conn

    files = gridfs.GridFS(get_db_conn())
    kept = [] if but is None else [but.results.grid_id, *map(ObjectId, but.config.get("vector_copies") or ())]
    for file in get_db_conn().fs.files.find({**owner(dataset, run_id), "_id": {"$nin": kept}}, {"_id": 1}):
        files.delete(file["_id"])


def owner(dataset: Dataset, run_id: str) -> dict[str, Any]:
    """What stored files are marked with; a clone of a dataset has runs of the same ids."""
    return {"coreset_run": run_id, "coreset_dataset": dataset._doc.id}
