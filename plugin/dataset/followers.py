"""Which images were taken one after another: by times, frame numbers, groups and file names, as far as there are."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from .rows import FRAMES, Rows

#: FiftyOne's own dates say when a sample was stored.
_OF_THE_DATABASE = frozenset({"created_at", "last_modified_at"})
#: Folders up to which the database looks for their images; it compares every path with each.
_FEW = 16
#: The last number of a name, as in ``IMG_0412.JPG``.
_NUMBERED = re.compile(r"(.*?)(\d+)(\D*)")


def followers(*parts: Rows) -> dict[str, np.ndarray]:
    """Pairs of images of which one was taken right after the other.

    Args:
        *parts: the images, of one dataset or several, numbered on from part to part; objects do not follow each other

    Returns:
        (m, 2) int64 pairs of rows, by what says so: numbers at the end of file names, each field of dates and times,
        the frames of a video, and the images of a group
    """
    said: dict[str, dict[int, tuple[Any, Any]]] = {}
    first = 0
    for rows in parts:
        n = len(rows)
        for name, places in _places(rows, first):
            told = {row: place for row, place in enumerate(places, first) if place is not None}
            said[name] = said.get(name, {}) | told
        first += n
    found = {name: _in_order(places) for name, places in said.items()}
    return {name: pairs for name, pairs in found.items() if len(pairs)}


def around(rows: Rows, ids: Sequence[str]) -> Rows:
    """Those rows that can follow some of them, or come before: images in their folders, if nothing but that says so.

    Args:
        rows: the rows
        ids: which of them
    """
    from fiftyone import ViewField as F

    whole = rows.patches_field is not None or rows.dataset.media_type == "group" or _has_videos(rows) or not ids
    if whole or rows.samples.group_field is not None:
        return rows
    paths = rows.select(list(ids)).values("filepath")
    folders = sorted({path[: len(path) - len(os.path.basename(path))] for path in paths})
    if len(folders) > _FEW:
        return rows
    return Rows(rows.samples.match(F("filepath").starts_with(folders)))


def _has_videos(rows: Rows) -> bool:
    """Whether images are said to be frames of videos."""
    return rows.has("frame_number") and rows.has("sample_id")


def _places(rows: Rows, first: int) -> Iterator[tuple[str, Iterable[tuple[Any, Any] | None]]]:
    """Of everything that says so, the series of every row and where it stands in it, None where unknown."""
    if rows.patches_field == FRAMES:
        yield "frames", _together(rows.values("sample_id"), rows.values("frame_number"))
        return
    if rows.patches_field is not None:
        return
    paths = [path or "" for path in rows.values("filepath")]  # of images that were deleted since the rows were held
    folders = [os.path.dirname(path) for path in paths]
    yield "names", map(_numbered, paths)
    for field in _dates(rows):
        yield f"dates in {field}", _together(folders, rows.values(field))
    if _has_videos(rows):
        yield "frames", _together(rows.values("sample_id"), rows.values("frame_number"))
    group_field = rows.samples.group_field or rows.dataset.group_field
    if group_field is not None and rows.has(group_field):
        groups = rows.values(f"{group_field}.id")
        yield "groups", _together(groups, range(first, first + len(groups)))


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


def _in_order(places: Mapping[int, tuple[Any, Any]]) -> np.ndarray:
    """(m, 2) int64 neighbours within each series, by what they are ordered by."""
    series: dict[Any, list[tuple[Any, int]]] = {}
    for row, (name, moment) in places.items():
        series.setdefault(name, []).append((moment, row))
    pairs: list[tuple[int, int]] = []
    for members in series.values():
        pairs += pairwise(row for _, row in sorted(members))
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)
