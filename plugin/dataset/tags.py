"""Tags that are written and then counted, since a database that was killed meanwhile has forgotten the last of them;
and what is untagged, or deleted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..errors import CoresetError
from .journal import journal
from .owned import NO_FRAME_TAGS, existing_ids
from .rows import FRAMES, Rows

#: How often tags are written again that the database has lost.
_ATTEMPTS = 3

#: Ids named in one request to the database: 20 bytes each, of 16 MB.
_CHUNK = 100_000


def write_tag(rows: Rows, ids: Sequence[str], tag: str) -> None:
    """Tags images, or the labels of objects.

    Args:
        rows: the rows
        ids: those to tag; rows that were deleted are left out
        tag: the tag

    Raises:
        CoresetError: if the database loses tags
    """
    require_tags(rows)
    lacking = set(ids)
    for _ in range(_ATTEMPTS):
        if rows.patches_field is None:
            rows.samples.select(lacking).tag_samples(tag)
        else:
            labels = rows.source.select_labels(ids=lacking, fields=rows.patches_field)
            labels.tag_labels(tag, label_fields=rows.patches_field)
        journal()
        lacking &= existing_ids(rows.dataset, rows.patches_field)
        lacking -= existing_ids(rows.dataset, rows.patches_field, tag)
        if not lacking:
            return
    raise CoresetError(
        f"{len(lacking):,} of {len(ids):,} {rows.noun} lack the tag '{tag}' after {_ATTEMPTS} attempts to write it: "
        "the database loses what is written; see that it runs, and call again"
    )


def require_tags(rows: Rows) -> None:
    """Refuses to tag what FiftyOne keeps no tags of."""
    if rows.patches_field == FRAMES:
        raise CoresetError(NO_FRAME_TAGS)


def tag_rows(rows: Rows, ids: Sequence[str], tag: str) -> list[str]:
    """Tags images, or the labels of objects, and tells which are new to the tag.

    Args:
        rows: the rows
        ids: those to tag, any number of them
        tag: the tag

    Returns:
        the ids that did not carry the tag before

    Raises:
        CoresetError: if the database loses tags
    """
    before = tagged(rows, tag)
    fresh = [row_id for row_id in ids if row_id not in before]
    for chunk in _chunks(fresh):
        write_tag(rows, chunk, tag)
    return fresh


def tagged(rows: Rows, tag: str) -> set[str]:
    """The ids of all images, or all objects of the field, that carry a tag."""
    return existing_ids(rows.dataset, rows.patches_field, tag)


def untag_rows(rows: Rows, ids: Sequence[str], tag: str) -> None:
    """Removes a tag from images, or from the labels of objects."""
    for chunk in _chunks(ids):
        if rows.patches_field is None:
            rows.samples.select(chunk).untag_samples(tag)
        else:
            labels = rows.source.select_labels(ids=chunk, fields=rows.patches_field)
            labels.untag_labels(tag, label_fields=rows.patches_field)


def delete_rows(rows: Rows, ids: Sequence[str]) -> None:
    """Deletes images from the dataset, not from the disk, or objects from their images."""
    for chunk in _chunks(ids):
        if rows.patches_field is None:
            rows.dataset.delete_samples(chunk)
        else:
            rows.dataset.delete_labels(ids=chunk, fields=rows.patches_field)


def _chunks(ids: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(ids), _CHUNK):
        yield list(ids[start : start + _CHUNK])
