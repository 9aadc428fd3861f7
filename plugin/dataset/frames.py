"""Frames of videos by their ids, asked for one by one: FiftyOne's views of some frames attach those of all videos."""

from __future__ import annotations

import ntpath
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fiftyone.core.dataset import Dataset


@dataclass(frozen=True)
class Frame:
    """A frame of a video.

    Attributes:
        video: the sample id of the video
        number: the number of the frame, from 1
        name: what to call it, e.g. ``"frame 3 of 0.mp4"``
        filepath: its image, or None if it has none of its own
    """

    video: str
    number: int
    name: str
    filepath: str | None


def frames_by_id(dataset: Dataset, ids: Iterable[str]) -> dict[str, Frame]:
    """Frames by their ids.

    Args:
        dataset: a dataset of videos
        ids: frame ids

    Returns:
        the frames that exist
    """
    from bson import ObjectId

    asked = {"_id": {"$in": [ObjectId(row_id) for row_id in ids]}}
    wanted = {"_sample_id": 1, "frame_number": 1, "filepath": 1}
    found = list(dataset._frame_collection.find(asked, wanted))
    videos = sorted({str(frame["_sample_id"]) for frame in found})
    paths = dict(zip(*dataset.select(videos).values(["id", "filepath"]), strict=True)) if videos else {}
    return {
        str(frame["_id"]): Frame(
            video := str(frame["_sample_id"]),
            frame["frame_number"],
            f"frame {frame['frame_number']} of {ntpath.basename(paths[video])}",
            frame.get("filepath"),
        )
        for frame in found
    }
