"""What is embedded and scored: the images of a collection, or its objects (patches)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import CoresetError

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection
    from fiftyone.core.dataset import Dataset
    from fiftyone.core.fields import Field


class Rows:
    """The images of a collection, or the objects of a ``to_patches()`` view, one row each.

    Args:
        samples: a dataset, a view, or a patches view
    """

    def __init__(self, samples: SampleCollection):
        import fiftyone.core.patches as fop

        if isinstance(samples, fop._PatchesView) and not isinstance(samples, fop.PatchesView):
            raise CoresetError("evaluation patches are not supported; use to_patches(field) of one label field")
        self.samples = samples
        self.patches_field: str | None = getattr(samples, "patches_field", None)

    @property
    def noun(self) -> str:
        """What one row is called in messages."""
        return "objects" if self.patches_field else "images"

    @property
    def dataset(self) -> Dataset:
        """The dataset that runs, fields and saved views belong to."""
        return self.samples._root_dataset

    @property
    def source(self) -> SampleCollection:
        """The collection of samples that the rows come from."""
        return self.samples._source_collection if self.patches_field else self.samples

    def ids(self) -> list[str]:
        """The sample ids, or the label ids of objects, in the collection's order."""
        return self.samples.values("id")

    def path(self, field: str) -> str:
        """The path of a field within the dataset."""
        if self.patches_field is None:
            return field
        _, root = self.dataset._get_label_field_path(self.patches_field)
        return f"{root}.{field}"

    def has(self, field: str) -> bool:
        """Whether the dataset declares the field."""
        return self.dataset.has_field(self.path(field))

    def values(self, field: str) -> list[Any]:
        """One value a row, ``None`` where missing."""
        if self.patches_field is None:
            return self.samples.values(field)
        # A patches view is a copy that does not know fields added to the objects since: ask their source.
        by_id = dict(
            zip(
                self.source.values(self.path("id"), unwind=True),
                self.source.values(self.path(field), unwind=True),
                strict=True,
            )
        )
        return [by_id.get(row_id) for row_id in self.ids()]

    def declare(self, field: str, field_type: type[Field]) -> None:
        """Adds the field to the dataset if it is not there."""
        self.dataset.add_sample_field(self.path(field), field_type)

    def set_values(self, field: str, values: Mapping[str, Any]) -> None:
        """Writes values by row id; other rows keep what they have."""
        if not values:
            return
        if self.patches_field is None:
            self.samples.set_values(field, dict(values), key_field="id")
        else:
            self.samples.set_label_values(f"{self.patches_field}.{field}", dict(values))
