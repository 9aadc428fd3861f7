"""What is embedded and scored: the images of a collection, or its objects (patches)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

from ..errors import CoresetError

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection
    from fiftyone.core.dataset import Dataset
    from fiftyone.core.fields import Field


def noun_of(patches_field: str | None) -> str:
    """What rows are called in messages: objects of a label field, or images."""
    return "objects" if patches_field else "images"


class Rows:
    """The images of a collection, or the objects in it, one row each.

    Args:
        samples: a dataset, a view, or a patches view
        patches_field (None): the label field whose objects are the rows; that of a patches view by default

    Raises:
        CoresetError: if it is no collection, or if it holds frames, clips or videos, or evaluation patches
    """

    def __init__(self, samples: SampleCollection, patches_field: str | None = None):
        import fiftyone.core.collections as foc
        import fiftyone.core.patches as fop

        if not isinstance(samples, foc.SampleCollection):
            raise CoresetError(f"samples must be a FiftyOne dataset or view, got {type(samples).__name__}")
        if isinstance(samples, fop._PatchesView) and not isinstance(samples, fop.PatchesView):
            raise CoresetError("evaluation patches are not supported; use to_patches(field) of one label field")
        kind = "frames" if samples._is_frames else "clips" if samples._is_clips else samples.media_type
        if kind in ("frames", "clips", "video"):
            raise CoresetError(
                f"'{samples._root_dataset.name}': {kind if kind != 'video' else 'videos'} are not supported; make a "
                "dataset of images of them, e.g. with to_frames(sample_frames=True).clone()"
            )
        self.samples = samples
        self._is_patches_view = isinstance(samples, fop.PatchesView)
        self.patches_field: str | None = samples.patches_field if self._is_patches_view else patches_field

    def __len__(self) -> int:
        # len() of a dataset is an estimate, and 0 after MongoDB was killed
        return self.samples.count("id") if self._is_plain else len(self.ids())

    @property
    def _is_plain(self) -> bool:
        """Whether a row is a sample of the collection, as in a patches view it is too."""
        return self._is_patches_view or self.patches_field is None

    @property
    def noun(self) -> str:
        """What the rows are called in messages."""
        return noun_of(self.patches_field)

    @property
    def dataset(self) -> Dataset:
        """The dataset that runs, fields and saved views belong to."""
        return self.samples._root_dataset

    @property
    def source(self) -> SampleCollection:
        """The collection of samples that the rows come from."""
        return self.samples._source_collection if self._is_patches_view else self.samples

    def slices(self) -> list[str]:
        """The slices of a grouped dataset that the rows come from."""
        group_field = self.dataset.group_field
        return sorted(name for name in self.source.distinct(f"{group_field}.name") if name)

    def select(self, ids: list[str]) -> Rows:
        """Some of the rows, in the collection's order."""
        if self.patches_field is None:
            return Rows(self.samples.select(ids))
        return Rows(self.source.select_labels(ids=ids, fields=self.patches_field), self.patches_field)

    def as_patches(self) -> Rows:
        """The same rows; objects as those of a patches view, which has a sample for each."""
        return self if self._is_plain else Rows(self.source.to_patches(self.patches_field))

    def ids(self) -> list[str]:
        """The sample ids, or the label ids of objects, in the collection's order."""
        if self._is_plain:
            return self.samples.values("id")
        return [row_id for row_id in self.samples.values(self.path("id"), unwind=True) if row_id is not None]

    def path(self, field: str) -> str:
        """The path of a field within the dataset."""
        if self.patches_field is None:
            return field
        _, root = self.dataset._get_label_field_path(self.patches_field)
        return f"{root}.{field}"

    def has(self, field: str) -> bool:
        """Whether the dataset declares the field."""
        return self.dataset.has_field(self.path(field))

    def has_values(self, field: str) -> bool:
        """Whether the dataset declares the field, or objects have it as an attribute that nobody declared."""
        return self.has(field) or (
            self.patches_field is not None
            and bool(
                self.dataset._sample_collection.find_one({self.path(field): {"$exists": True, "$ne": None}}, {"_id": 1})
            )
        )

    def count(self, field: str) -> int:
        """How many rows of the source collection have a value; 0 if the field is not declared."""
        return self.source.count(self.path(field)) if self.has(field) else 0

    def values(self, field: str) -> list[Any]:
        """One value a row, ``None`` where missing."""
        if self.patches_field is None:
            return self.samples.values(field)
        # A patches view is a copy that does not know fields added to the objects since: ask their source.
        # FiftyOne would unwind values that are lists, such as tags, together with the objects.
        ids, values = (self.source.values(self.path(name)) for name in ("id", field))
        by_id = dict(zip(*(chain.from_iterable(filter(None, nested)) for nested in (ids, values)), strict=True))
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
            path = f"{self.patches_field}.{field}" if self._is_patches_view else self.path(field)
            self.samples.set_label_values(path, dict(values))
