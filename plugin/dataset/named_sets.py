"""Sets of samples as people name them: a saved view, a tag, or the value of a field."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import CoresetError

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection
    from fiftyone.core.dataset import Dataset

#: Between a field and its value, e.g. ``"split = train"``.
_EQUALS = " = "

#: Values of a field up to which each is a set.
_MOST_VALUES = 20


def named_sets(dataset: Dataset) -> list[str]:
    """The sets that a dataset has names for: saved views, tags, and the values of text and boolean fields with few.

    Args:
        dataset: the dataset
    """
    import fiftyone as fo

    found = [*dataset.list_saved_views(), *sorted(dataset.distinct("tags"))]
    for field in dataset.get_field_schema(ftype=(fo.StringField, fo.BooleanField)):
        values = [] if field == "filepath" else dataset.distinct(field)
        if 1 < len(values) <= _MOST_VALUES:
            found += [f"{field}{_EQUALS}{value}" for value in values]
    return found


def load_set(dataset: Dataset, name: str) -> SampleCollection:
    """The samples of a named set.

    Args:
        dataset: the dataset
        name: one of :func:`named_sets`

    Raises:
        CoresetError: if there is no such set
    """
    from fiftyone import ViewField as F

    if dataset.has_saved_view(name):
        return dataset.load_saved_view(name)
    if name in dataset.distinct("tags"):
        return dataset.match_tags(name)
    field, equals, value = name.partition(_EQUALS)
    if equals and dataset.has_field(field):
        found = next((one for one in dataset.distinct(field) if str(one) == value), None)
        if found is not None:
            return dataset.match(F(field) == found)
    raise CoresetError(f"there is no saved view, tag or field value '{name}' on this dataset")
