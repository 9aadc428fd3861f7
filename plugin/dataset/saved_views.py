"""Saved views: added in a turn, replaced in one write, so that a name shows the old view or the new one, never none."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from ..errors import CoresetError
from .journal import journal
from .lock import schema_turn
from .names import require_free_view

if TYPE_CHECKING:
    from fiftyone.core.dataset import Dataset
    from fiftyone.core.view import DatasetView

#: How often a view is saved again that the database has lost.
_ATTEMPTS = 3


def save_view(dataset: Dataset, name: str, view: DatasetView, description: str, overwrite: bool) -> DatasetView:
    """Saves a view on a dataset.

    Args:
        dataset: the dataset
        name: the name of the view
        view: the view
        description: one line on it
        overwrite: whether to replace a saved view of this name

    Returns:
        the saved view

    Raises:
        CoresetError: if the name is taken, or the database loses the view
    """
    for attempt in range(_ATTEMPTS):
        with schema_turn(dataset):
            require_free_view(dataset, name, overwrite or attempt > 0)
            if dataset.has_saved_view(name):
                _replace(dataset, name, view, description)
            else:
                dataset.save_view(name, view, description=description)
            saved = _stages(dataset, name)
        journal()
        dataset._reload(hard=True)
        if _stages(dataset, name) == saved:
            return dataset.load_saved_view(name)
    raise CoresetError(
        f"view '{name}' is not there after {_ATTEMPTS} attempts to save it: the database loses what is written; see "
        "that it runs, and call again"
    )


def _stages(dataset: Dataset, name: str) -> list[str] | None:
    """The stages of a saved view, None if there is no such view."""
    return next((saved.view_stages for saved in dataset._doc.get_saved_views() if saved.name == name), None)


def _replace(dataset: Dataset, name: str, view: DatasetView, description: str) -> None:
    """FiftyOne deletes a view before it saves its successor."""
    from bson import json_util
    from fiftyone.core.dataset import _handle_delete_generated_saved_view

    saved = next(saved for saved in dataset._doc.get_saved_views() if saved.name == name)
    _handle_delete_generated_saved_view(dataset, saved)  # the copy of its objects may go; loading the view keeps it
    saved.view_stages = [json_util.dumps(stage) for stage in view._serialize(include_uuids=False)]
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)  # as FiftyOne keeps dates
    saved.description, saved.last_modified_at = description, now
    saved.save()
