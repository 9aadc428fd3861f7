"""``load_rounds``: a campaign in any process, mended if somebody was killed while writing it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import numpy as np

from ..dataset.lock import database_faults, run_lock, schema_turn
from ..dataset.owned import count_and_sum, declare_fields, existing_ids, owned_fields, values_by_id
from ..errors import CoresetError
from .campaign import FORMAT_VERSION, Rounds, RoundsResults
from .history import COLUMNS, view_name
from .write import column_values, save_batch_view, write_columns

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection
    from fiftyone.core.dataset import Dataset


def list_campaigns(dataset: SampleCollection) -> list[str]:
    """Names the campaigns of a dataset."""
    return dataset.list_brain_runs(type="coreset_rounds")


def load_rounds(dataset: SampleCollection, brain_key: str = "rounds") -> RoundsResults:
    """Loads the labelling rounds of a campaign, in any process.

    What a process that was killed, or one without this package, left undone is mended: fields get the campaign's name,
    and the values of what was recorded.

    Args:
        dataset: the dataset or one of its views
        brain_key ("rounds"): the name of the campaign

    Returns:
        the campaign, a :class:`RoundsResults`

    Raises:
        CoresetError: if there is no such campaign, it was cut short in its first round, is damaged, or needs a newer
            version, or if the database does not answer

    Examples:
        >>> rounds = fc.load_rounds(dataset, "rounds")
        >>> print(rounds)
        Campaign 'rounds', labels in 'gt'...
    """
    with database_faults("nothing was changed: see that mongod runs, and call again"):
        root = dataset._root_dataset
        root._reload(hard=True)
        campaigns = list_campaigns(root)
        if brain_key not in campaigns:
            names = ", ".join(f"'{key}'" for key in campaigns) or "none yet"
            raise CoresetError(
                f"dataset '{root.name}' has no labelling rounds '{brain_key}' (there are: {names}); "
                f"next_batch(samples, brain_key='{brain_key}') begins them"
            )
        results = read_campaign(root, brain_key)
        if results is None:
            raise CoresetError(
                f"'{brain_key}' was interrupted in its first round; call next_batch() again, or "
                f"delete_brain_run('{brain_key}')"
            )
        if _is_unsettled(root, results):
            # whoever is writing the campaign settles it too
            with contextlib.suppress(CoresetError), run_lock(root, brain_key):
                return mend(root, brain_key)
        return results


def read_campaign(dataset: Dataset, key: str) -> RoundsResults | None:
    """The campaign as it is stored; None if its first round was cut short.

    Raises:
        CoresetError: if it is damaged or needs a newer version
    """
    config = dataset.get_brain_info(key).config
    if config.format_version > FORMAT_VERSION:
        raise CoresetError(
            f"'{key}' was written by fiftyone-coreset {config.package_version}; update the package to read it"
        )
    if config.state != "complete" or not dataset._doc.get_brain_methods()[key].results:
        return None
    cached = dataset._brain_cache.get(key)
    if cached is not None and (cached.config.run_id, cached.config.revision) == (config.run_id, config.revision):
        cached._config, cached._backend = config, config.build()
        return cached
    dataset._brain_cache.pop(key, None)
    try:
        results = Rounds.load_run_results(dataset, key)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CoresetError(
            f"'{key}' is damaged: its rounds cannot be read; delete_brain_run('{key}') removes it, labels stay"
        ) from error
    if not isinstance(results, RoundsResults):  # FiftyOne's own class stands in where a class is not named
        raise CoresetError(f"'{key}' is damaged; delete_brain_run('{key}') removes it, labels stay")
    return results


def mend(dataset: Dataset, key: str) -> RoundsResults:
    """Brings fields and views of a campaign to its name, and its fields to what is recorded; with the lock.

    Args:
        dataset: the dataset
        key: the name of the campaign

    Returns:
        the campaign
    """
    results = read_campaign(dataset, key)
    assert results is not None
    with schema_turn(dataset):
        run: Rounds = dataset.get_brain_info(key).config.build()
        run.settle(dataset, key)
    results = read_campaign(dataset, key)
    assert results is not None
    if not (_has_fields(dataset, results) and _holds_rounds(dataset, results)):
        declare_fields(dataset, results.config.run_id, results.config.fields)
        for column in COLUMNS:
            values = column_values(results, column)
            strange = set(values_by_id(dataset, results.config.patches_field, results.config.fields[column]))
            write_columns(results, {column: dict.fromkeys(strange - set(values)) | values})
    for entry in results.open_rounds:
        if view_name(key, entry.number) not in dataset.list_saved_views():
            save_batch_view(results, entry.number, entry.why)
    return results


def _is_unsettled(dataset: Dataset, results: RoundsResults) -> bool:
    """Whether fields have other names than the campaign's, or hold other rounds than were recorded."""
    config, run = results.config, results.backend
    usual = {column: run.usual_path(dataset, results.key, column) for column in config.fields}
    spare = set(owned_fields(dataset, config.run_id)) - set(config.fields.values())
    if usual != config.fields or spare or not _has_fields(dataset, results):
        return True
    return not _holds_rounds(dataset, results)


def _has_fields(dataset: Dataset, results: RoundsResults) -> bool:
    return set(results.config.fields.values()) <= set(owned_fields(dataset, results.config.run_id))


def _holds_rounds(dataset: Dataset, results: RoundsResults) -> bool:
    """Whether the round field holds what was recorded, of all rows that still exist."""
    path = results.config.fields["round"]
    asked = results.round >= 0
    found = count_and_sum(dataset, path)
    if found == (int(asked.sum()), int(results.round[asked].sum())):
        return True
    asked &= np.isin(results.ids, list(existing_ids(dataset, results.config.patches_field)))
    return found == (int(asked.sum()), int(results.round[asked].sum()))
