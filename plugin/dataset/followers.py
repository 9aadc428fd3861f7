"""Which images were taken one after another: by times, frame numbers, groups and file names, as far as there are."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np

from .rows import FRAMES, Rows

#: FiftyOne's own dates say when a sample was stored.
_OF_THE_DATABASE = frozenset({"created_at", "last_modified_at"})
#: The last number of a name, as in ``IMG_0412.JPG``.
_NUMBERED = re.compile(r"(.*?)(\d+)(\D*)")


def followers(rows: Rows) -> list[np.ndarray]:
    """Pairs of images of which one was taken right after the other.

    Args:
        rows: the images; objects do not follow each other

    Returns:
        an (m, 2) int64 array of pairs of rows for everything that says so: numbers at the end of file names, one array
        for each field of dates and times, the frames of a video, and the images of a group
    """
    if rows.patches_field == FRAMES:
        return [_in_order(_together(rows.values("sample_id"), rows.values("frame_number")))]
    if rows.patches_field is not None:
        return []
    paths = rows.values("filepath")
    folders = [os.path.dirname(path) for path in paths]
    found = [_in_order(map(_numbered, paths))]
    for field in _dates(rows):
        moments = rows.values(field)
        found.append(_in_order(_together(folders, moments)))
    if rows.has("frame_number") and rows.has("sample_id"):
        found.append(_in_order(_together(rows.values("sample_id"), rows.values("frame_number"))))
    group_field = rows.samples.group_field or rows.dataset.group_field
    if group_field is not None and rows.has(group_field):
        groups = rows.values(f"{group_field}.id")
        found.append(_in_order(_together(groups, range(len(groups)))))
    return [pairs for pairs in found if len(pairs)]


def _dates(rows: Rows) -> list[str]:
    import fiftyone as fo

    names = rows.samples.get_field_schema(ftype=(fo.DateTimeField, fo.DateField))
    return [name for name in names if name not in _OF_THE_DATABASE]


def _numbered(path: str) -> tuple[Any, int] | None:
    """What numbered names of one series share, and the number."""
    folder, name = os.path.split(path)
    stem, kind = os.path.splitext(name)
    parts = _NUMBERED.fullmatch(stem)
    return None if parts is None else ((folder, parts[1], parts[3], kind.lower()), int(parts[2]))


def _together(series: Iterable[Any], moments: Iterable[Any]) -> Iterable[tuple[Any, Any] | None]:
    for name, moment in zip(series, moments, strict=True):
        yield None if name is None or moment is None else (name, moment)


def _in_order(places: Iterable[tuple[Any, Any] | None]) -> np.ndarray:
    """(m, 2) int64 neighbours within each series, by what they are ordered by."""
    series: dict[Any, list[tuple[Any, int]]] = {}
    for row, place in enumerate(places):
        if place is not None:
            series.setdefault(place[0], []).append((place[1], row))
    pairs: list[tuple[int, int]] = []
    for members in series.values():
        pairs += pairwise(row for _, row in sorted(members))
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)
