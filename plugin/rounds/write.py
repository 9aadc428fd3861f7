"""Writing a campaign: fields first, results beside what is there, and one small write that makes both valid."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..brain import DESCRIPTION_START
from ..dataset.journal import journal
from ..dataset.lock import Lock, schema_turn
from ..dataset.owned import count_values, declare_fields, delete_fields, existing_ids, owned_fields
from ..dataset.run_record import commit_run, delete_files, run_document, store_results
from ..dataset.saved_views import save_view
from ..errors import CoresetError
from ..runs.orphans import find_orphans
from ..runs.plain_fields import write_field
from .history import COLUMNS, OUTCOMES, PREDICTION, view_name

if TYPE_CHECKING:
    from fiftyone.core.dataset import Dataset

    from .campaign import RoundsResults

logger = logging.getLogger(__name__)


def begin_campaign(results: RoundsResults) -> None:
    """Registers a campaign that is being written; what is left of one that was cut short is removed. With the lock.

    Args:
        results: the empty campaign, with a run id and its fields' paths in its record

    Raises:
        CoresetError: if the name is taken, or a field of this name is not a campaign's
    """
    dataset, key, config = results.samples._root_dataset, results.key, results.config
    with schema_turn(dataset):
        if key in dataset.list_brain_runs():
            info = dataset.get_brain_info(key).config
            if info.type != config.type:
                raise CoresetError(f"brain key '{key}' belongs to a run of another type; choose another one")
            info.build().delete_owned(dataset)
            results.backend.delete_run(dataset, key, cleanup=False)
        orphans = find_orphans(dataset)["fields"]
        for path in config.fields.values():
            if dataset.has_field(path):
                if path not in orphans:
                    raise CoresetError(f"field '{path}' exists and is no campaign's; choose another brain_key")
                delete_fields(dataset, [path])
        config.state = "writing"
        results.backend.register_run(results.samples, key, overwrite=False)


def write_round(
    results: RoundsResults,
    lock: Lock,
    changed: Mapping[str, Mapping[str, Any]],
    before: RoundsResults | None,
    predictions: Mapping[str, Any] | None = None,
) -> None:
    """Writes fields and results of a campaign, and makes them valid in the last step.

    Args:
        results: the campaign as it is to be
        lock: the lock on its name
        changed: column -> row id -> value, of what differs from what the fields hold
        before: the campaign as it was, to go back to if anything fails; None for the first round
        predictions (None): row id -> classification, for the prediction field

    Raises:
        CoresetError: if the lock was lost, or the database loses what is written
    """
    dataset, config = results.samples._root_dataset, results.config
    lock.check()
    try:
        declare_fields(dataset, config.run_id, config.fields)
        write_columns(results, changed)
        if predictions:
            _write_predictions(results, predictions)
        config.revision += 1
        file = store_results(results)
        with schema_turn(dataset):
            lock.check()
            commit_run(dataset, results, file)
    except BaseException:
        try:
            _undo(dataset, results, changed, before)
        except Exception:
            logger.warning("'%s': a part of the round was written; load_rounds() mends it", results.key)
        raise
    delete_files(dataset, config.run_id, but=run_document(dataset, config.run_id))


def write_columns(results: RoundsResults, changed: Mapping[str, Mapping[str, Any]]) -> None:
    """Writes values of the campaign's fields, and checks that the database has them.

    Args:
        results: the campaign
        changed: column -> row id -> value; None removes a value
    """
    import fiftyone.core.fields as fof

    kinds = {"round": fof.IntField, "order": fof.IntField, "uncertainty": fof.FloatField, "outcome": fof.StringField}
    rows = results.rows()
    alive = existing_ids(rows.dataset, rows.patches_field)
    for column, values in changed.items():
        living = {row_id: value for row_id, value in values.items() if row_id in alive}
        if living:
            write_field(rows, results.config.fields[column].rpartition(".")[2], kinds[column], living)


def _write_predictions(results: RoundsResults, predictions: Mapping[str, Any]) -> None:
    """Writes the predictions of the rows that still exist, and counts them."""
    rows, path = results.rows(), results.config.fields[PREDICTION]
    alive = existing_ids(rows.dataset, rows.patches_field)
    living = {row_id: document for row_id, document in predictions.items() if row_id in alive}
    rows.set_values(path.rpartition(".")[2], living)
    journal()
    if (found := count_values(rows.dataset, path)) < len(living):
        raise CoresetError(
            f"field '{path}' has {found:,} of {len(living):,} predictions: the database loses what is written; call "
            "again"
        )


def column_values(results: RoundsResults, column: str) -> dict[str, Any]:
    """What a field of the campaign is to hold, by row id; rows without a value are left out."""
    values = getattr(results, column)
    known = np.isfinite(values) if column == "uncertainty" else values >= 0
    found = values[known].tolist()
    if column == "outcome":
        found = [OUTCOMES[place] for place in found]
    return dict(zip(results.ids[known].tolist(), found, strict=True))


def differences(after: RoundsResults, before: RoundsResults | None) -> dict[str, dict[str, Any]]:
    """What the fields have to change, from one state of a campaign to the next."""
    changed = {}
    for column in COLUMNS:
        new, old = column_values(after, column), column_values(before, column) if before else {}
        gone: dict[str, Any] = dict.fromkeys(old.keys() - new.keys())
        changed[column] = gone | {row_id: value for row_id, value in new.items() if old.get(row_id) != value}
    return changed


def save_batch_view(results: RoundsResults, number: int, why: str) -> None:
    """Saves the view of a round; a view of this name that shows the same round is replaced."""
    dataset = results.samples._root_dataset
    name = view_name(results.key, number)
    ours = name in results.backend.views(dataset, results.key)
    save_view(dataset, name, results.view(number), f"{DESCRIPTION_START}{why}", overwrite=ours)


def _undo(
    dataset: Dataset, results: RoundsResults, changed: Mapping[str, Mapping[str, Any]], before: RoundsResults | None
) -> None:
    """Removes what was written of a round that did not become valid."""
    if before is not None:
        for column, values in reversed(list(changed.items())):  # the rounds last: load_rounds() looks at them alone
            old = column_values(before, column)
            write_columns(before, {column: {row_id: old.get(row_id) for row_id in values}})
        return
    with schema_turn(dataset):
        document = run_document(dataset, results.config.run_id)
        if owned_fields(dataset, results.config.run_id):
            results.backend.delete_owned(dataset)
        if document is not None:
            results.backend.delete_run(dataset, document.key, cleanup=False)
