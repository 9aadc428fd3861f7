"""What is embedded and scored: the images of a collection, the objects in them (patches), or the frames of videos."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from ..errors import CoresetError
from .stored_arrays import decoded, stacked

if TYPE_CHECKING:
    import numpy as np
    from fiftyone.core.collections import SampleCollection
    from fiftyone.core.dataset import Dataset
    from fiftyone.core.fields import Field


#: What stands for a label field where the rows are the frames of videos; no field can be called so.
FRAMES = "frames[]"
#: FiftyOne's prefix of frame fields.
IN_FRAMES = "frames."


#: What frames are asked for to learn which video they are of, as in a frames view.
_VIDEO = "sample_id"


#: Rows whose stored vectors are held beside the matrix that they become.
_PART = 50_000

#: What samples of a medium are called, if they are no images.
_MEDIA = {"video": "videos", "point-cloud": "point clouds", "3d": "scenes"}


def noun_of(patches_field: str | None, media_type: str | None = None) -> str:
    """What rows are called in messages: frames, objects of a label field, or samples of a medium, images by default."""
    if patches_field is None:
        return _MEDIA.get(media_type or "", "images")
    return "frames" if patches_field == FRAMES else "objects"


def have_pixels(noun: str) -> bool:
    """Whether rows that are called so are pictures, of which fingerprints can be taken."""
    return noun not in _MEDIA.values()


def counted(n: int, noun: str) -> str:
    """A number of rows in words, e.g. ``"1 frame"`` of 1 and ``"frames"``."""
    return f"{n:,} {noun if n != 1 else one(noun)}"


def one(noun: str) -> str:
    """One of what rows are called, e.g. ``"frame"`` of ``"frames"``."""
    return noun.removesuffix("s")


def container(dataset: Dataset, patches_field: str) -> str:
    """The path within a dataset at which rows lie that are no samples, e.g. ``"ground_truth.detections"``.

    Args:
        dataset: the dataset
        patches_field: the label field of objects, or :data:`FRAMES`
    """
    if patches_field == FRAMES:
        return IN_FRAMES.rstrip(".")
    return dataset._get_label_field_path(patches_field)[1]


def rows_of(samples: Any, embeddings: Any) -> Rows:
    """The rows that embeddings are of: the frames of videos if it names frame fields, else those of the collection.

    Args:
        samples: a dataset or view
        embeddings: as it is given, e.g. ``"frames.clip_embeddings"``

    Returns:
        the rows

    Raises:
        CoresetError: if the collection is none that can be ranked
    """
    names = [embeddings] if isinstance(embeddings, str) else embeddings if isinstance(embeddings, list | tuple) else []
    of_frames = bool(names) and all(isinstance(name, str) and name.startswith(IN_FRAMES) for name in names)
    of_videos = getattr(samples, "media_type", None) == "video" and not samples._is_clips
    return Rows(samples, FRAMES) if of_frames and of_videos else Rows(samples)


def group_members(dataset: Dataset, ids: Sequence[str]) -> dict[str, int]:
    """All samples of the groups that some samples belong to, of every slice.

    Args:
        dataset: a grouped dataset
        ids: sample ids, one of each group

    Returns:
        a mapping from sample id to the place of its group in ``ids``
    """
    everything = dataset.select_group_slices(_allow_mixed=True)
    samples, groups = everything.values(["id", f"{dataset.group_field}.id"])
    group_of = dict(zip(samples, groups, strict=True))
    place = {group_of[row_id]: row for row, row_id in enumerate(ids) if row_id in group_of}
    return {row_id: place[group] for row_id, group in group_of.items() if group in place}


class Rows:
    """The samples of a collection, the objects in them, or the frames of its videos, one row each.

    Args:
        samples: a dataset, a view, a patches view, or a frames view
        patches_field (None): the label field whose objects are the rows, or :data:`FRAMES` if the frames of videos
            are; that of a patches view or frames view by default

    Raises:
        CoresetError: if it is no collection, or a view of clips, evaluation patches, or objects in frames
    """

    def __init__(self, samples: SampleCollection, patches_field: str | None = None):
        import fiftyone.core.collections as foc
        import fiftyone.core.patches as fop

        if not isinstance(samples, foc.SampleCollection):
            raise CoresetError(f"samples must be a FiftyOne dataset or view, got {type(samples).__name__}")
        if isinstance(samples, fop._PatchesView) and not isinstance(samples, fop.PatchesView):
            raise CoresetError("evaluation patches are not supported; use to_patches(field) of one label field")
        self.samples = samples
        self._is_patches_view = isinstance(samples, fop.PatchesView)
        self._is_frames_view = samples._is_frames and not self._is_patches_view
        own = samples.patches_field if self._is_patches_view else FRAMES if self._is_frames_view else None
        self.patches_field: str | None = own or patches_field
        self._held: list[str] | None = None
        self._check_media()

    def hold(self, ids: list[str] | None = None) -> None:
        """Fixes the rows to those of now, or to some in an order.

        Whoever adds or deletes some from here on does not move the values of the others: added ones are not seen, and
        those of deleted ones are ``None``.

        Args:
            ids (None): which rows, of which some may be gone
        """
        self._held = self.ids() if ids is None else ids

    def __len__(self) -> int:
        if self._held is not None:
            return len(self._held)
        # len() of a dataset is an estimate, and 0 after MongoDB was killed
        return self.samples.count("id") if self._is_plain else len(self.ids())

    def _check_media(self) -> None:
        """Refuses what cannot be ranked."""
        samples, name = self.samples, self.samples._root_dataset.name
        if self._is_patches_view and samples._root_dataset.media_type == "video":
            raise CoresetError(
                f"'{name}': objects in frames are not supported; make a dataset of images of the frames, with "
                "to_frames(sample_frames=True).clone()"
            )
        if self._is_frames_view or self.patches_field == FRAMES:
            if samples._root_dataset.media_type != "video":
                raise CoresetError(f"'{name}' holds no videos, so it has no frames to rank")
            return
        if samples._is_clips:
            raise CoresetError(
                f"'{name}': FiftyOne keeps no fields of a clips view; make a dataset of the clips, with "
                "to_clips(...).clone()"
            )

    @property
    def _is_plain(self) -> bool:
        """Whether a row is a sample of the collection, as in a patches view or frames view it is too."""
        return self._is_patches_view or self._is_frames_view or self.patches_field is None

    @property
    def _has_own_samples(self) -> bool:
        """Whether a row is a sample of the dataset, and can be selected by its id whatever slice is shown."""
        return self.patches_field is None and self.dataset.media_type != "group"

    @property
    def noun(self) -> str:
        """What the rows are called in messages."""
        return "groups" if self.are_groups else noun_of(self.patches_field, self.samples.media_type)

    @property
    def are_groups(self) -> bool:
        """Whether a row is a sample of a grouped collection's active slice, and stands for its group."""
        return self.patches_field is None and self.samples.media_type == "group"

    @property
    def dataset(self) -> Dataset:
        """The dataset that runs, fields and saved views belong to."""
        return self.samples._root_dataset

    @property
    def source(self) -> SampleCollection:
        """The collection of samples that the rows come from."""
        generated = self._is_patches_view or self._is_frames_view
        return self.samples._source_collection if generated else self.samples

    def slices(self) -> list[str]:
        """The slices of a grouped dataset that the rows come from."""
        group_field = self.dataset.group_field
        return sorted(name for name in self.source.distinct(f"{group_field}.name") if name)

    def select(self, ids: list[str]) -> Rows:
        """Some of the rows, in the collection's order."""
        if self.patches_field is None:
            return Rows(self.samples.select(ids))
        if self.patches_field == FRAMES:
            return Rows(self.dataset.select_frames(ids), FRAMES)
        return Rows(self.source.select_labels(ids=ids, fields=self.patches_field), self.patches_field)

    def current(self) -> Rows:
        """The same rows as they are now: a view of patches or frames is a copy, which knows nothing that came since."""
        if not self.samples._is_generated:
            return self
        if not self.samples._stages:
            return Rows(self.source, self.patches_field)
        self.samples.reload()
        return self

    def as_patches(self) -> Rows:
        """The same rows; objects and frames as those of a view that has a sample for each."""
        if self._is_plain:
            return self
        return Rows(
            self.source.to_frames() if self.patches_field == FRAMES else self.source.to_patches(self.patches_field)
        )

    def ids(self) -> list[str]:
        """The sample ids, or the label ids of objects, in the collection's order."""
        if self._held is not None:
            return self._held
        if self._is_plain:
            return self.samples.values("id")
        return [row_id for row_id in self.samples.values(self.path("id"), unwind=True) if row_id is not None]

    def path(self, field: str) -> str:
        """The path of a field within the dataset."""
        if self.patches_field is None:
            return field
        root = container(self.dataset, self.patches_field)
        if self.patches_field == FRAMES and field.startswith(IN_FRAMES):
            return field  # as users of video datasets name it
        return f"{root}.{field}"

    def has(self, field: str) -> bool:
        """Whether the dataset declares the field, or frames are asked for their video."""
        if self.patches_field == FRAMES and field == _VIDEO:
            return True
        return self.dataset.has_field(self.path(field))

    def has_values(self, field: str) -> bool:
        """Whether the dataset declares the field, or objects have it as an attribute that nobody declared."""
        return self.has(field) or (
            self.patches_field is not None
            and bool(
                self.dataset._sample_collection.find_one({self.path(field): {"$exists": True, "$ne": None}}, {"_id": 1})
            )
        )

    def count(self, field: str, at_most: int | None = None) -> int:
        """How many rows of the source collection have a value, of at most a number; 0 if the field is not declared."""
        from fiftyone import ViewField as F

        if not self.has(field):
            return 0
        found = self.source if at_most is None else self.where(F(field) <= at_most)
        return found.count(self.path(field))

    def unranked_ids(self, rank_field: str, last: int) -> list[str]:
        """The ids of rows without a rank from 0 to ``last``.

        The database finds those of samples, so that the ids of all others need not be read. Objects and frames, of
        which a view is a copy that may lack the field, are all read.
        """
        from fiftyone import ViewField as F

        if self.patches_field is not None or not self.has(rank_field):
            return self.ids()
        return self.samples.match(~((F(rank_field) >= 0) & (F(rank_field) <= last))).values("id")

    def where(self, condition: Any) -> SampleCollection:
        """The source collection with the rows alone that meet a condition, an expression on a row's own fields."""
        if self.patches_field is None:
            return self.source.match(condition)
        if self.patches_field == FRAMES:
            return self.source.match_frames(condition)
        return self.source.filter_labels(self.patches_field, condition)

    def vectors(self, field: str) -> list[Any] | np.ndarray:
        """The vectors of a field.

        Args:
            field: the field

        Returns:
            one array a row, ``None`` where missing; the arrays may be read-only. Of many rows that are held, an (n, d)
            matrix with NaN where missing, if all their vectors are alike
        """
        try:
            matrix = None
            if self._held is not None and len(self._held) > _PART and self._has_own_samples:
                matrix = stacked(self._parts(self._held, field), len(self._held))
            if matrix is not None:
                return matrix
            return decoded(self.values(field, as_stored=True))
        except (EOFError, ValueError, zlib.error) as error:
            raise CoresetError(
                f"field '{self.path(field)}' holds bytes that are no array ({error}); write its vectors again"
            ) from error

    def _parts(self, ids: list[str], field: str) -> Iterator[list[Any]]:
        """The stored values of samples, some of them at a time."""
        for start in range(0, len(ids), _PART):
            part = ids[start : start + _PART]
            found = dict(zip(*self.samples.select(part).values(["id", field], _raw=True), strict=True))
            yield [found.get(row_id) for row_id in part]

    def values(self, field: str, as_stored: bool = False) -> list[Any]:
        """One value a row, ``None`` where missing.

        Args:
            field: the field
            as_stored (False): whether to leave values as the database has them, e.g. arrays as bytes
        """
        if self.patches_field is None:
            if self._held is None:
                return self.samples.values(field, _raw=as_stored)
            ids, values = self.samples.values(["id", field], _raw=as_stored)
            if ids == self._held:
                return values
            by_id = dict(zip(ids, values, strict=True))
            return [by_id.get(row_id) for row_id in self._held]
        # A patches or frames view is a copy that does not know fields added since: ask its source.
        # FiftyOne would unwind values that are lists, such as tags, together with the objects.
        if self.patches_field == FRAMES and field == _VIDEO:
            pairs = zip(*self.source.values(["id", self.path("id")]), strict=True)
            by_id = {row_id: video for video, row_ids in pairs for row_id in row_ids}
        else:
            ids, values = self.source.values([self.path("id"), self.path(field)], _raw=as_stored)
            by_id = dict(zip(*(chain.from_iterable(filter(None, nested)) for nested in (ids, values)), strict=True))
        return [by_id.get(row_id) for row_id in self.ids()]

    def declare(self, field: str, field_type: type[Field]) -> None:
        """Adds the field to the dataset if it is not there."""
        if self.patches_field == FRAMES:
            self.dataset.add_frame_field(field, field_type)
            return
        self.dataset.add_sample_field(self.path(field), field_type)

    def set_values(self, field: str, values: Mapping[str, Any]) -> None:
        """Writes values by row id; other rows keep what they have."""
        if not values:
            return
        if self.patches_field is None:
            self.samples.set_values(field, dict(values), key_field="id")
        elif self.patches_field == FRAMES:
            self.dataset.set_values(self.path(field), dict(values), key_field=self.path("id"))
        else:
            path = f"{self.patches_field}.{field}" if self._is_patches_view else self.path(field)
            self.samples.set_label_values(path, dict(values))
