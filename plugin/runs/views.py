"""Saved coreset views: membership by rank, so that a view is small, live and shareable at any dataset size."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import CoresetError

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection
    from fiftyone.core.dataset import Dataset
    from fiftyone.core.view import DatasetView

    from ..brain import CoresetResults


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
    from ..brain import load_run

    results = load_run(dataset, brain_key)
    root: Dataset = dataset._root_dataset
    k = results.budget(budget)
    name = name or f"{brain_key} {k}"
    if name in root.list_saved_views() and not overwrite:
        raise CoresetError(f"saved view '{name}' exists on '{root.name}'; choose another name or pass overwrite=True")
    if field is not None:
        _write_membership(results, k, field, overwrite)
    view = rank_view(results, k)
    if tag is not None:
        _tag(results, view, tag)
    root.save_view(name, view, description=describe(results, k), overwrite=overwrite)
    return root.load_saved_view(name)


def rank_view(results: CoresetResults, k: int) -> DatasetView:
    """The first k of a ranking as an unsaved view.

    Args:
        results: the run
        k: how many to keep

    Returns:
        a view of images, or of objects if objects were ranked
    """
    return _view_where(results, below=k)


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


def views_of_run(dataset: Dataset, rank_path: str) -> list[str]:
    """Names the saved views that are defined by a rank field."""
    names = []
    for name in dataset.list_saved_views():
        stages = json.dumps(dataset.load_saved_view(name)._serialize(), default=str)
        if _mentions(stages, rank_path):
            names.append(name)
    return names


@dataclass(frozen=True)
class Retargeting:
    """Saved views to be written again once the rank field they are defined by has been renamed."""

    save: Callable[[], None]


def retarget_views(dataset: Dataset, old_path: str, new_path: str) -> Retargeting:
    """Prepares the saved views of a run for the renaming of its rank field.

    Args:
        dataset: the dataset
        old_path: the path of the rank field now
        new_path: its path after the renaming

    Returns:
        an object whose ``save()`` is to be called after the field was renamed
    """
    import fiftyone.core.view as fov

    changed = []
    for name in views_of_run(dataset, old_path):
        stages = json.dumps(dataset.load_saved_view(name)._serialize(), default=str)
        changed.append((name, dataset.get_saved_view_info(name), json.loads(_replaced(stages, old_path, new_path))))

    def save() -> None:
        for name, info, stages in changed:
            view = fov.DatasetView._build(dataset, stages)
            dataset.save_view(name, view, description=info["description"], color=info["color"], overwrite=True)

    return Retargeting(save)


def _mentions(stages: str, rank_path: str) -> bool:
    return any(f'"{form}"' in stages for form in _forms(rank_path))


def _replaced(stages: str, old_path: str, new_path: str) -> str:
    for old, new in zip(_forms(old_path), _forms(new_path), strict=True):
        stages = stages.replace(f'"{old}"', f'"{new}"')
    return stages


def _forms(rank_path: str) -> tuple[str, str]:
    """How a rank field is written in the stages of views: of images, and of objects in a list of labels."""
    return f"${rank_path}", f"$$this.{rank_path.rsplit('.', 1)[-1]}"


def _view_where(results: CoresetResults, below: int | None) -> DatasetView:
    from ..brain import ranked

    root = results.samples._root_dataset
    patches_field = results.config.patches_field
    condition = ranked(f"{results.key}_rank", below)
    if root.media_type == "group":
        root = root.select_group_slices(media_type="image")
    if patches_field is not None:
        return root.filter_labels(patches_field, condition).to_patches(patches_field)
    return root.match(condition)


def _write_membership(results: CoresetResults, k: int, field: str, overwrite: bool) -> None:
    import fiftyone.core.fields as fof

    from ..dataset.rows import Units

    units = Units(results.samples)
    if units.has(field) and not overwrite:
        raise CoresetError(f"field '{units.path(field)}' exists; choose another name or pass overwrite=True")
    units.declare(field, fof.BooleanField)
    units.set_values(field, dict(zip(results.ids.tolist(), (results.rank < k).tolist(), strict=True)))


def _tag(results: CoresetResults, view: DatasetView, tag: str) -> None:
    patches_field = results.config.patches_field
    if patches_field is None:
        view.tag_samples(tag)
    else:
        view.tag_labels(tag, label_fields=patches_field)
