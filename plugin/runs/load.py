"""``load_run`` and ``list_runs``: the coreset runs of a dataset."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from ..brain import FORMAT_VERSION, Coreset, visualization_key
from ..dataset.lock import database_faults, run_lock, schema_turn
from ..dataset.owned import count_and_sum, existing_ids, owned_fields, values_by_id
from ..errors import CoresetError
from ..stored_run import damaged

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection
    from fiftyone.core.dataset import Dataset

    from ..results import CoresetResults


def load_run(dataset: SampleCollection, brain_key: str) -> CoresetResults:
    """Loads a coreset run, in any process.

    A run that was renamed by a process without this package gets its fields, map and saved views under its new name.

    Args:
        dataset: the dataset or one of its views
        brain_key: the name of the run

    Returns:
        a :class:`CoresetResults`

    Raises:
        CoresetError: if there is no such run, it is of another type, was cut short, lost values or fields since, or
            needs a newer version, or if the database does not answer

    Examples:
        >>> results = fc.load_run(dataset, "coreset")
        >>> results.config.method
        'zcore'
    """
    with database_faults("nothing was changed: see that mongod runs, and call again"):
        return _load(dataset._root_dataset, brain_key)


def _load(root: Dataset, brain_key: str) -> CoresetResults:
    root._reload(hard=True)
    runs = list_runs(root)
    if brain_key not in runs:
        names = ", ".join(f"'{run}'" for run in runs) or "none yet"
        raise CoresetError(
            f"dataset '{root.name}' has no coreset run '{brain_key}' (runs: {names}); "
            f"compute_coreset(samples, brain_key='{brain_key}') makes one"
        )
    run: Coreset = root.get_brain_info(brain_key).config.build()
    version = run.config.format_version
    if not isinstance(version, int):
        raise damaged(brain_key, f"its format version is {version!r}")
    if version > FORMAT_VERSION:
        raise CoresetError(
            f"run '{brain_key}' was made by fiftyone-coreset {run.config.package_version}; update the package to read "
            "it"
        )
    if run.config.run_id is None:
        _mend_renaming(root, brain_key, run)
    if not _is_complete(root, brain_key, run):
        raise CoresetError(
            f"run '{brain_key}' is incomplete: it was interrupted while being written; "
            f"compute it again with overwrite=True, or delete_brain_run('{brain_key}')"
        )
    if _is_unsettled(root, brain_key, run):
        # whoever is computing the run settles it too
        with contextlib.suppress(CoresetError), run_lock(root, brain_key), schema_turn(root):
            run = root.get_brain_info(brain_key).config.build()
            run.settle(root, brain_key)
    results = _loaded(root, brain_key, run)
    _check_fields(root, brain_key, run, results)
    return results


def list_runs(dataset: SampleCollection) -> list[str]:
    """Names the coreset runs of a dataset."""
    return dataset.list_brain_runs(type="coreset")


def _is_complete(dataset: Dataset, brain_key: str, run: Coreset) -> bool:
    """Whether the last step of writing was done; version 1 wrote the map last."""
    config = run.config
    if config.state != "complete" or not dataset._doc.get_brain_methods()[brain_key].results:
        return False
    return (
        config.run_id is not None
        or "xy" not in config.columns
        or visualization_key(brain_key) in dataset.list_brain_runs()
    )


def _is_unsettled(dataset: Dataset, brain_key: str, run: Coreset) -> bool:
    """Whether fields have other names than the run's, or more fields are marked as the run's than it names."""
    config = run.config
    if config.run_id is None:
        return False
    usual = {column: run.usual_path(dataset, brain_key, column) for column in config.fields}
    return usual != config.fields or set(owned_fields(dataset, config.run_id)) != set(config.fields.values())


def _loaded(dataset: Dataset, brain_key: str, run: Coreset) -> CoresetResults:
    """The results in memory if they are of this computation, else those in the database."""
    cached = dataset._brain_cache.get(brain_key)
    identity = (run.config.run_id, run.config.revision)
    if cached is None or (cached.config.run_id, cached.config.revision) != identity:
        return _from_database(dataset, brain_key)
    cached._config, cached._backend = run.config, run
    return cached


def _from_database(dataset: Dataset, brain_key: str) -> CoresetResults:
    from ..results import CoresetResults

    dataset._brain_cache.pop(brain_key, None)
    try:
        results = Coreset.load_run_results(dataset, brain_key)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise damaged(brain_key, "its results cannot be read") from error
    if not isinstance(results, CoresetResults):  # FiftyOne's own class stands in where a class is not named
        raise damaged(brain_key, "its results are of no coreset run")
    return results


def _check_fields(dataset: Dataset, brain_key: str, run: Coreset, results: CoresetResults) -> None:
    """Makes sure that the rank field is the run's and holds its ranks: views are made of it."""
    config, path = run.config, run.path(dataset, brain_key, "rank")
    remedy = "compute it again with overwrite=True"
    owned = dataset.has_field(path) if config.run_id is None else path in owned_fields(dataset, config.run_id)
    if not owned:
        raise CoresetError(f"run '{brain_key}' is damaged: its field '{path}' was renamed or deleted; {remedy}")
    expected = len(results), int(results.rank.sum())
    if count_and_sum(dataset, path) != expected and not _holds_ranks(dataset, path, results):
        raise CoresetError(
            f"run '{brain_key}' is damaged: field '{path}' does not hold the ranks that were computed; {remedy}"
        )


def _holds_ranks(dataset: Dataset, path: str, results: CoresetResults) -> bool:
    """Whether a field holds the ranks of a run, in every row that still exists.

    Higher ranks are those of an update that is under way, or was cut short; no budget reaches them.
    """
    patches_field = results.config.patches_field
    alive = existing_ids(dataset, patches_field)
    ranks = zip(results.ids.tolist(), results.rank.tolist(), strict=True)
    expected = {row_id: rank for row_id, rank in ranks if row_id in alive}
    last = int(results.rank.max())
    stored = values_by_id(dataset, patches_field, path)
    return {row_id: rank for row_id, rank in stored.items() if row_id in expected or not rank > last} == expected


def _mend_renaming(dataset: Dataset, brain_key: str, run: Coreset) -> None:
    """Gives a run of version 1 its fields, map and views back if a process without this package renamed it.

    The record does not say what they are called, so they are told by the ranks.
    """
    stored = dataset._doc.get_brain_methods()[brain_key].results
    if not stored or dataset.has_field(run.usual_path(dataset, brain_key, "rank")):
        return
    results = _from_database(dataset, brain_key)
    before = run.usual_path(dataset, "", "rank").removesuffix("_rank")
    paths = set(dataset.get_field_schema(flat=True)) - set(owned_fields(dataset))
    names = {path[len(before) :].removesuffix("_rank") for path in paths if path.startswith(before)}
    for name in sorted(names - set(list_runs(dataset))):
        wanted = {run.usual_path(dataset, name, column) for column in run.config.columns}
        if wanted <= paths and _holds_ranks(dataset, run.usual_path(dataset, name, "rank"), results):
            with run_lock(dataset, brain_key), schema_turn(dataset):
                run.adopt(dataset, brain_key, written_as=name)
                run.settle(dataset, brain_key)
            return
