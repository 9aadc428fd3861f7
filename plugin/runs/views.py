"""Saved coreset views: membership by rank, so that a view is small, live and shareable at any dataset size."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from ..dataset.lock import database_faults
from ..dataset.names import require_free_field, require_free_view
from ..dataset.rows import group_members
from ..dataset.saved_views import save_view
from ..dataset.tags import require_tags, write_tag
from ..selection.budget import budget_words
from .load import load_run
from .plain_fields import write_field

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection
    from fiftyone.core.dataset import Dataset
    from fiftyone.core.view import DatasetView

    from ..results import CoresetResults


def create_coreset_view(
    dataset: SampleCollection,
    brain_key: str,
    budget: Any,
    name: str | None = None,
    overwrite: bool = False,
    tag: str | None = None,
    field: str | None = None,
    *,
    new: Any = None,
) -> DatasetView:
    """Saves the coreset of a budget as a view on the dataset.

    The view is the condition ``rank < k``, a few hundred bytes at any dataset size, and survives ``dataset.clone()``.
    Its description says how it was made.

    Args:
        dataset: the dataset or one of its views
        brain_key: the name of the run
        budget: a count, a fraction in (0, 1], ``"30%"``, ``"95% coverage"``, ``"saturation"`` or ``"redundancy"``
        name (None): the name of the view; by default :func:`default_view_name`, e.g. ``"coreset 30%"``
        overwrite (False): whether to replace a saved view of this name, or a field of this name
        tag (None): a tag to put on the kept samples (objects), for export
        field (None): a boolean field to write on all ranked samples (objects), for export
        new (None): how many to keep of what updates added, see :meth:`.CoresetResults.kept`

    Returns:
        the saved view; it holds exactly what the budget keeps

    Raises:
        CoresetError: if there is no such run, the budget is out of range, a name is taken, or the run's rank field no
            longer holds its ranks. Also if the database loses what is written, or goes away

    Examples:
        >>> view = fc.create_coreset_view(dataset, "coreset", budget="10%", tag="to label")
        >>> view.name, len(view)
        ('coreset 10%', 6)
    """
    unharmed = "a view is saved last and whole or not at all: see that mongod runs, and call again with overwrite=True"
    with database_faults(unharmed):
        return _create_view(dataset, brain_key, budget, name, overwrite, tag, field, new)


def _create_view(
    dataset: SampleCollection,
    brain_key: str,
    budget: Any,
    name: str | None,
    overwrite: bool,
    tag: str | None,
    field: str | None,
    new: Any,
) -> DatasetView:
    results = load_run(dataset, brain_key)
    root: Dataset = dataset._root_dataset
    name = name or default_view_name(brain_key, budget, new)
    require_free_view(root, name, overwrite)
    if field is not None:
        require_free_field(results.rows(), field, overwrite)
    if tag is not None:
        require_tags(results.rows())
    view = results.view(budget, new)  # refuses before anything is written
    kept = results.kept(budget, new)
    if field is not None:
        _write_membership(results, kept, field)
    if tag is not None:
        shown = view.select_group_slices(_allow_mixed=True) if results.config.whole_groups else view
        write_tag(results.rows(), shown.values("id"), tag)
    return save_view(root, name, view, describe(results, budget, new), overwrite)


def default_view_name(brain_key: str, budget: Any, new: Any = None) -> str:
    """What a coreset's view is called if nobody says: the run and the budget in words, e.g. ``"coreset 30%"``."""
    return f"{brain_key} {_words(budget, new)}"


def _words(budget: Any, new: Any) -> str:
    """A budget, and those of updates, in words: ``"30% and 200 new"``."""
    added = new if isinstance(new, list | tuple) else [] if new is None else [new]
    return " and ".join([budget_words(budget), *(f"{budget_words(one)} new" for one in added)])


def describe(results: CoresetResults, budget: Any, new: Any = None) -> str:
    """One line on how a coreset was made, for the description of its saved view.

    Args:
        results: the run
        budget: the budget as given, see :func:`create_coreset_view`
        new (None): those of updates

    Returns:
        the line
    """
    kept, words = len(results.kept(budget, new)), _words(budget, new)
    config = results.config
    facts = [
        f"{kept:,} of {results.alive().sum():,} {results.noun} by {config.method}",
        *([] if words == str(kept) else [f"budget {words}"]),
        f"run '{results.key}'",
        f"embeddings {', '.join(config.embeddings) if config.embeddings else 'given as vectors'}",
        f"seed {config.seed}",
    ]
    if config.reliability is not None:
        facts.append(f"reliability {config.reliability:.2f}")
    if "grouped_dataset" in config.facts:
        facts.append(config.facts["grouped_dataset"])
    return f"Coreset: {'; '.join(facts)}; {datetime.date.today().isoformat()}"


def _write_membership(results: CoresetResults, kept: np.ndarray, field: str) -> None:
    import fiftyone.core.fields as fof

    member = np.zeros(len(results), dtype=bool)
    member[kept] = True
    alive = results.alive()
    values = dict(zip(results.ids[alive].tolist(), member[alive].tolist(), strict=True))
    if results.config.whole_groups:
        members = group_members(results.samples._root_dataset, results.ids.tolist())
        values = {row_id: bool(member[row]) for row_id, row in members.items()}
    write_field(results.rows(), field, fof.BooleanField, values)
