"""Some rows of a collection as a view for people to look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .rows import FRAMES, IN_FRAMES, Rows

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection
    from fiftyone.core.view import DatasetView


def have_images(videos: SampleCollection) -> bool:
    """Whether all frames of a collection of videos have images of their own."""
    path = f"{IN_FRAMES}filepath"
    return videos.has_field(path) and videos.count(path) == videos.count(f"{IN_FRAMES}id")


def view_of(rows: Rows, ids: Sequence[str], ordered: bool = False) -> DatasetView:
    """Some rows: images, objects and frames one by one, groups with all their slices.

    Args:
        rows: the rows of a collection
        ids: which of them
        ordered (False): whether to show them in this order

    Returns:
        the view; of frames without images, which FiftyOne does not show one by one, as clips
    """
    from fiftyone import ViewField as F

    if rows.patches_field == FRAMES and not rows.samples._is_frames:
        some = rows.dataset.select_frames(ids)
        if not have_images(some):
            return some.to_clips(F("frame_number") > 0)
    return rows.as_patches().samples.select(ids, ordered=ordered)
