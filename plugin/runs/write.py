"""Writing a run: every field, the map and the results beside what is there, then one small write that makes it valid.

The order is the protection. Nothing of a run that is replaced is touched before its successor is complete in the
database, counted and journaled; then the record changes in one write; then saved views move over, one write each; and
only then goes the old. A process that is killed leaves the old run or the new one, and what it leaves beside is removed
by the next that computes, loads or renames the run.
"""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING, Any

import numpy as np

from ..brain import (
    DESCRIPTION_START,
    FORMAT_VERSION,
    MAP_MARK,
    Coreset,
    index_of_points,
    point_map_at,
    visualization_key,
)
from ..dataset.journal import journal
from ..dataset.lock import Lock, schema_turn
from ..dataset.owned import (
    count_values,
    declare_fields,
    existing_ids,
)
from ..dataset.rows import FRAMES, Rows, group_members
from ..dataset.run_record import commit_run, delete_files, run_document, store_results
from ..dataset.shown import have_images
from ..dataset.vector_copy import store_copy
from ..errors import CoresetError
from ..rank_views import Describe, ranked
from ..vectors.neighbors import unit_rows
from .orphans import require_no_orphans
from .views import describe

if TYPE_CHECKING:
    from fiftyone.core.dataset import Dataset

    from ..results import CoresetResults

logger = logging.getLogger(__name__)

#: How often values are written again that the database has lost.
_ATTEMPTS = 3


def write_run(results: CoresetResults, lock: Lock, overwrite: bool = False) -> None:
    """Writes a run's fields, map and results, and makes it valid in the last step.

    If anything fails, the dataset is as it was; a run that is replaced stays valid until its successor is.

    Args:
        results: the results of the run, with its name and record
        lock: the lock on the name; it is checked before the steps that change what others see
        overwrite (False): whether to replace an existing run of this name

    Raises:
        CoresetError: if a field of the run's exists and is not its own, the lock was lost, or the database loses what
            is written
    """
    config, key = results.config, results.key
    rows = Rows(results.samples, config.patches_field)
    dataset = rows.dataset
    lock.check()
    with schema_turn(dataset):
        _prepare(rows, results, overwrite)
    try:
        declare_fields(dataset, config.run_id, config.fields)
        _write_values(rows, results, np.arange(len(results)))
        if config.whole_groups:
            write_group_ranks(results)
        if results.points is not None:
            with schema_turn(dataset):
                _write_map(rows, results, results.points)
        config.vector_copies = []
        if results._embeddings is not None:
            _store_copy(results, unit_rows(results._embeddings)[0])
        file = store_results(results)
        with schema_turn(dataset):
            lock.check()
            config.format_version = FORMAT_VERSION
            commit_run(dataset, results, file)
    except BaseException:
        try:
            _undo(dataset, results)
        except Exception:
            logger.warning("Run '%s': what was written of it is still there; the next attempt removes it", key)
        raise
    with schema_turn(dataset):
        results.backend.settle(dataset, key, describe=_describing(results))
        delete_files(dataset, config.run_id, but=run_document(dataset, config.run_id))


def append_to_run(results: CoresetResults, n_added: int, lock: Lock, to_copy: np.ndarray) -> None:
    """Writes what an update adds to a run behind what is there, and makes it valid in the last step.

    Values of the rows that were ranked before are not touched. Until the record changes, the added rows have ranks that
    no budget reaches; those that a killed update left are cleared first.

    Args:
        results: the run as it shall be, the added rows last
        n_added: how many they are
        lock: the lock on the run
        to_copy: vectors of unit length of the last rows, those that the run's copy does not have yet

    Raises:
        CoresetError: if the lock was lost, or the database loses what is written
    """
    rows, config, key = Rows(results.samples, results.config.patches_field), results.config, results.key
    dataset, added = rows.dataset, np.arange(len(results) - n_added, len(results))
    lock.check()
    with schema_turn(dataset):
        there: Coreset = dataset.get_brain_info(key).config.build()
        there.drop_spare(dataset)
        usual = visualization_key(key)
        if results.points is not None:
            config.map_key = f"{usual}_staged" if there.config.map_key == usual else usual
            _drop_bounds(dataset, config.fields["xy"], results.points[added])
    first = config.updates[-1]["first_rank"]
    _clear_from(results, first)
    try:
        _write_values(rows, results, added)
        if config.whole_groups:
            write_group_ranks(results)
        if results.points is not None:
            with schema_turn(dataset):
                _write_map(rows, results, results.points)
        _store_copy(results, to_copy)
        file = store_results(results)
        with schema_turn(dataset):
            lock.check()
            commit_run(dataset, results, file)
    except BaseException:
        try:
            _clear_from(results, first)
            _undo(dataset, results)
        except Exception:
            logger.warning("Run '%s': what was written of its update is still there; the next one removes it", key)
        raise
    with schema_turn(dataset):
        results.backend.settle(dataset, key)
        delete_files(dataset, config.run_id, but=run_document(dataset, config.run_id))


def drop_older_results(results: CoresetResults) -> None:
    """Deletes stored results that the run's record does not name: a process was killed before it could."""
    dataset = results.rows().dataset
    delete_files(dataset, results.config.run_id, but=run_document(dataset, results.config.run_id))


def _store_copy(results: CoresetResults, unit: np.ndarray) -> None:
    """Adds vectors of unit length to the run's copy, if they are those of one field."""
    config = results.config
    if len(unit) and len(config.embeddings or ()) == 1:
        file = store_copy(results.rows().dataset, config.run_id, unit)
        config.vector_copies = [*config.vector_copies, file]


def _drop_bounds(dataset: Dataset, path: str, added: np.ndarray) -> None:
    """Drops the index of the points if it does not take those that are added: the map is given another with them."""
    for name, index in index_of_points(dataset, path).items():
        if not ((added > index["min"]) & (added < index["max"])).all():
            dataset.drop_index(name)


def _clear_from(results: CoresetResults, first: int) -> None:
    """Clears the run's values of rows with a rank that it has not given yet."""
    from fiftyone import ViewField as F

    rows, fields = results.rows(), results.config.fields
    beyond = F(fields["rank"].rpartition(".")[2]) >= first
    ids = rows.where(beyond).values(rows.path("id"), unwind=rows.patches_field is not None)
    for path in fields.values() if ids else ():
        rows.set_values(path.rpartition(".")[2], dict.fromkeys(ids))


def _prepare(rows: Rows, results: CoresetResults, overwrite: bool) -> None:
    """Chooses where to write, and registers a new run as one that is being written."""
    dataset, config, key = rows.dataset, results.config, results.key
    backend: Coreset = results.backend
    replaced = _existing(dataset, key) if overwrite else None
    if replaced is not None:
        replaced.adopt(dataset, key)
        config.run_id, config.revision = replaced.config.run_id, replaced.config.revision + 1
        replaced.drop_spare(dataset)  # of a process that was killed here before
    else:
        config.run_id = uuid.uuid4().hex
    in_use = set(replaced.config.fields.values()) if replaced else set()
    columns = [*config.columns, *(["group_rank"] if config.whole_groups else [])]
    usual = {column: backend.usual_path(dataset, key, column) for column in columns}
    staged = {column: backend.usual_path(dataset, key, column, staged=True) for column in columns}
    config.fields = staged if in_use & set(usual.values()) else usual
    map_key = visualization_key(key)
    taken = replaced.config.map_key if replaced else None
    if results.points is not None:
        config.map_key = f"{map_key}_staged" if taken == map_key else map_key
    require_no_orphans(dataset, config)
    if replaced is None:
        config.state = "writing"
        backend.register_run(rows.samples, key, overwrite=False)


def _existing(dataset: Dataset, key: str) -> Coreset | None:
    """The complete run of this name; what is left of one that was cut short is removed."""
    if key not in dataset.list_brain_runs(type="coreset"):
        return None
    run = dataset.get_brain_info(key).config.build()
    document = dataset._doc.get_brain_methods()[key]
    if run.config.state == "complete" and document.results:
        return run
    run.adopt(dataset, key)
    run.delete_owned(dataset)
    Coreset.delete_run(dataset, key, cleanup=False)
    return None


def _write_values(rows: Rows, results: CoresetResults, places: np.ndarray) -> None:
    """Writes all fields of some rows, or of all, and again what the database says it does not have."""
    dataset, fields = rows.dataset, results.config.fields
    columns: dict[str, Any] = {**results.columns, "rank": results.rank}
    if results.points is not None:
        columns["xy"] = results.points.astype(float)
    ids = results.ids[places].tolist()
    among = None if len(places) == len(results) else results.rows().select(ids).samples
    missing, expected = list(columns), len(ids)
    for _ in range(_ATTEMPTS):
        for column in missing:
            values = dict(zip(ids, columns[column][places].tolist(), strict=True))
            rows.set_values(fields[column].rpartition(".")[2], values)
        journal()
        missing = [column for column in columns if count_values(dataset, fields[column], among) < expected]
        if not missing:
            return
        expected = len(existing_ids(dataset, rows.patches_field).intersection(ids))
    have = count_values(dataset, fields[missing[0]], among)
    raise CoresetError(
        f"field '{fields[missing[0]]}' has {have:,} of {expected:,} values after {_ATTEMPTS} attempts to write it: the "
        "database loses what is written; see that it runs, and call again"
    )


def write_group_ranks(results: CoresetResults) -> None:
    """Sees to it that all samples of a group, and no others, have its rank: views hold it whatever slice is shown.

    Raises:
        CoresetError: if the database loses what is written
    """
    dataset, path = results.samples._root_dataset, results.config.fields["group_rank"]
    everything = dataset.select_group_slices(_allow_mixed=True)
    for attempt in range(_ATTEMPTS + 1):
        members = group_members(dataset, results.ids.tolist())
        ranks = {row_id: int(results.rank[row]) for row_id, row in members.items()}
        stored = zip(*everything.values(["id", path]), strict=True)
        wrong = {row_id: ranks.get(row_id) for row_id, rank in stored if rank != ranks.get(row_id)}
        if not wrong:
            return
        if attempt < _ATTEMPTS:
            everything.set_values(path, wrong, key_field="id")
            journal()
    raise CoresetError(
        f"field '{path}' lacks values after {_ATTEMPTS} attempts to write it: the database loses what is written; see "
        "that it runs, and call again"
    )


def _write_map(rows: Rows, results: CoresetResults, points: np.ndarray) -> None:
    """Registers the points as a standard visualization, so that FiftyOne's own Embeddings panel shows them."""
    import fiftyone.brain as fb
    from fiftyone.brain.visualization import ManualVisualizationConfig, VisualizationResults

    config = results.config
    is_ranked = ranked(config.fields["rank"].rpartition(".")[2])
    patches_field = rows.patches_field
    if patches_field == FRAMES:
        if not have_images(rows.source.match_frames(is_ranked)):  # FiftyOne shows no other frames
            config.map_key = None
            return
        shown, patches_field = rows.source.to_frames().match(is_ranked), None
    elif patches_field is None:
        shown = rows.samples.match(is_ranked)
    else:
        shown = rows.source.filter_labels(rows.patches_field, is_ranked)
    mark = {MAP_MARK: config.run_id}
    if patches_field is None:
        # As compute_visualization does, which would read the ids of all that is shown.
        made = ManualVisualizationConfig(num_dims=2, **mark)
        method = made.build()
        method.register_run(shown, config.map_key)
        held = VisualizationResults(rows.dataset, made, config.map_key, points, sample_ids=results.ids)
        method.save_run_results(shown, config.map_key, held, cache=False)
    else:
        by_id = dict(zip(results.ids, points, strict=True))
        fb.compute_visualization(
            shown, patches_field, points=by_id, brain_key=config.map_key, method="manual", progress=False, **mark
        )
    point_map_at(rows.dataset, config.map_key, config.fields["xy"])


def _undo(dataset: Dataset, results: CoresetResults) -> None:
    """Removes what was written of a run that did not become valid; a valid run of the name loses nothing."""
    with schema_turn(dataset):
        document = run_document(dataset, results.config.run_id)
        if document is not None and document.config["state"] == "complete":
            dataset.get_brain_info(document.key).config.build().drop_spare(dataset)
            delete_files(dataset, results.config.run_id, but=document)
            return
        results.backend.delete_owned(dataset)
        if document is not None:
            Coreset.delete_run(dataset, document.key, cleanup=False)


def _describing(results: CoresetResults) -> Describe:
    """Lets the descriptions of our saved views follow the run."""

    def follow(description: str | None, k: int | None) -> str | None:
        if k is None or not (description or "").startswith(DESCRIPTION_START):
            return description
        return describe(results, min(k, len(results)))

    return follow
