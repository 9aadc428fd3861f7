"""Rows of a campaign as views."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..dataset.shown import view_of
from ..errors import CoresetError
from ..rank_views import views_on_rank
from .history import view_name
from .stream import in_stream

if TYPE_CHECKING:
    from fiftyone.core.dataset import Dataset
    from fiftyone.core.view import DatasetView

    from .campaign import RoundsResults


def batch_view(results: RoundsResults, number: int) -> DatasetView:
    """The batch of a round, see :meth:`.RoundsResults.view`."""
    numbers = [entry.number for entry in results.history]
    if isinstance(number, bool) or number not in (0, *numbers):
        known = ", ".join(map(str, numbers)) or "no number yet"
        raise CoresetError(f"'{results.key}' has no round {number!r}; its rounds are {known}")
    dataset = results.samples._root_dataset
    path = results.backend.path(dataset, results.key, "round")
    return round_view(dataset, results.config.patches_field, path, number)


def random_view(results: RoundsResults, number: int | None) -> DatasetView:
    """What was drawn at random, see :meth:`.RoundsResults.random_view`."""
    return view_of(results.rows(), results.ids[in_stream(results, number)].tolist())


def round_view(dataset: Dataset, patches_field: str | None, path: str, number: int) -> DatasetView:
    """The rows of a round, by the field that says so.

    Args:
        dataset: the dataset
        patches_field: the label field whose objects are labelled, or None
        path: the dataset path of the round field
        number: the round

    Returns:
        a view

    Raises:
        CoresetError: if the field is gone: a view of it would be empty
    """
    from fiftyone import ViewField as F

    if not dataset.has_field(path):
        raise CoresetError(
            f"field '{path}' of dataset '{dataset.name}' was renamed or deleted; load_rounds() writes it again"
        )
    if dataset.media_type == "group":
        dataset = dataset.select_group_slices(media_type="image")
    if patches_field is None:
        return dataset.match(F(path) == number)
    field = path.rpartition(".")[2]
    return dataset.filter_labels(patches_field, F(field) == number).to_patches(patches_field)


def rename_views(dataset: Dataset, path: str, name: str) -> None:
    """Lets the saved views of batches that carry the campaign's name follow it.

    Args:
        dataset: the dataset
        path: the dataset path of the round field
        name: what the campaign is called
    """
    taken = set(dataset.list_saved_views())
    for view in views_on_rank(dataset, path):
        stem, _, number = view.rpartition(" round ")
        wanted = view_name(name, number)
        if number.isdigit() and stem != name and wanted not in taken:
            dataset.update_saved_view_info(view, {"name": wanted})
