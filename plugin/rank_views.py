"""The condition "rank < k": views of a ranking's first rows, found and changed by the rank field they are made of."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection
    from fiftyone.core.dataset import Dataset
    from fiftyone.core.view import DatasetView


def ranked(rank_field: str, below: int | None = None) -> Any:
    """An expression for rows that are ranked, and ranked before ``below``.

    The lower bound is not decoration: in MongoDB's order a missing rank is less than any number.

    Args:
        rank_field: the rank field, of the samples, or of an object within its label field
        below (None): an exclusive upper bound of the rank

    Returns:
        a view expression
    """
    from fiftyone import ViewField as F

    is_ranked = F(rank_field) >= 0
    return is_ranked if below is None else is_ranked & (F(rank_field) < below)


def rank_view(dataset: SampleCollection, patches_field: str | None, rank_path: str, k: int | None) -> DatasetView:
    """The first k of a ranking as an unsaved view: small, live, and defined by rank, never by a list of ids.

    Args:
        dataset: the dataset, or one of its views
        patches_field: the label field whose objects are ranked, or None if images are
        rank_path: the dataset path of the rank field
        k: how many to keep, or None for all that are ranked

    Returns:
        a view of images, or of objects if objects are ranked
    """
    root = dataset._root_dataset
    condition = ranked(rank_path if patches_field is None else rank_path.rsplit(".", 1)[-1], k)
    if root.media_type == "group":
        root = root.select_group_slices(media_type="image")
    if patches_field is not None:
        return root.filter_labels(patches_field, condition).to_patches(patches_field)
    return root.match(condition)


def views_on_rank(dataset: Dataset, rank_path: str) -> list[str]:
    """Names the saved views that are defined by a rank field."""
    return [name for name in dataset.list_saved_views() if _mentions(_stages(dataset, name), rank_path)]


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
    for name in views_on_rank(dataset, old_path):
        stages = json.loads(_replaced(_stages(dataset, name), old_path, new_path))
        changed.append((name, dataset.get_saved_view_info(name), stages))

    def save() -> None:
        for name, info, stages in changed:
            view = fov.DatasetView._build(dataset, stages)
            dataset.save_view(name, view, description=info["description"], color=info["color"], overwrite=True)

    return Retargeting(save)


def _stages(dataset: Dataset, name: str) -> str:
    """The stages of a saved view as JSON."""
    return json.dumps(dataset.load_saved_view(name)._serialize(), default=str)


def _mentions(stages: str, rank_path: str) -> bool:
    return any(f'"{form}"' in stages for form in _forms(rank_path))


def _replaced(stages: str, old_path: str, new_path: str) -> str:
    for old, new in zip(_forms(old_path), _forms(new_path), strict=True):
        stages = stages.replace(f'"{old}"', f'"{new}"')
    return stages


def _forms(rank_path: str) -> tuple[str, str]:
    """How a rank field is written in the stages of views: of images, and of objects in a list of labels."""
    return f"${rank_path}", f"$$this.{rank_path.rsplit('.', 1)[-1]}"
