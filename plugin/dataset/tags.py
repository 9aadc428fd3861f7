"""Tags that are written and then counted: a database that was killed meanwhile has forgotten the last of them."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import CoresetError
from .journal import journal
from .owned import existing_ids
from .rows import Rows

#: How often tags are written again that the database has lost.
_ATTEMPTS = 3


def write_tag(rows: Rows, ids: Sequence[str], tag: str) -> None:
    """Tags images, or the labels of objects.

    Args:
        rows: the rows
        ids: those to tag; rows that were deleted are left out
        tag: the tag

    Raises:
        CoresetError: if the database loses tags
    """
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
