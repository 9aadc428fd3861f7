"""Saved coreset views: membership by rank, so that a view is small, live and shareable at any dataset size."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from ..errors import CoresetError
from .load import load_run

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
) -> DatasetView:
    """Saves the coreset of a budget as a view on the dataset.

    The view is the condition ``rank < k``, a few hundred bytes at any dataset size, and survives ``dataset.clone()``.
    Its description says how it was made.

    Args:
        dataset: the dataset or one of its views
        brain_key: the name of the run
        budget: a count, a fraction in (0, 1], ``"30%"``, ``"95% coverage"``, ``"saturation"`` or ``"redundancy"``
        name (None): the name of the view; ``"<brain_key> <k>"`` by default
        overwrite (False): whether to replace a saved view of this name, or a field of this name
        tag (None): a tag to put on the kept samples (objects), for export
        field (None): a boolean field to write on all ranked samples (objects), for export

    Returns:
        the saved view

    Raises:
        CoresetError: if there is no such run, the budget is out of range, or a name is taken
    """
    results = load_run(dataset, brain_key)
    root: Dataset = dataset._root_dataset
    k = results.budget(budget)
    name = name or f"{brain_key} {k}"
    if name in root.list_saved_views() and not overwrite:
        raise CoresetError(f"saved view '{name}' exists on '{root.name}'; choose another name or pass overwrite=True")
    if field is not None:
        _write_membership(results, k, field, overwrite)
    view = results.view(k)
    if tag is not None:
        _tag(results, view, tag)
    root.save_view(name, view, description=describe(results, k), overwrite=overwrite)
    return root.load_saved_view(name)


def describe(results: CoresetResults, k: int) -> str:
    """One line on how a coreset was made, for the description of its saved view."""
    config = results.config
    facts = [
        f"{k:,} of {len(results):,} by {config.method}",
        f"run '{results.key}'",
        f"embeddings {', '.join(config.embeddings) if config.embeddings else 'given as an array'}",
        f"seed {config.seed}",
    ]
    if config.reliability is not None:
        facts.append(f"reliability {config.reliability:.2f}")
    return f"Coreset: {'; '.join(facts)}; {datetime.date.today().isoformat()}"


def _write_membership(results: CoresetResults, k: int, field: str, overwrite: bool) -> None:
    import fiftyone.core.fields as fof

    from ..dataset.rows import Rows

    rows = Rows(results.samples)
    if rows.has(field) and not overwrite:
        raise CoresetError(f"field '{rows.path(field)}' exists; choose another name or pass overwrite=True")
    rows.declare(field, fof.BooleanField)
    rows.set_values(field, dict(zip(results.ids.tolist(), (results.rank < k).tolist(), strict=True)))


def _tag(results: CoresetResults, view: DatasetView, tag: str) -> None:
    patches_field = results.config.patches_field
    if patches_field is None:
        view.tag_samples(tag)
    else:
        view.tag_labels(tag, label_fields=patches_field)
