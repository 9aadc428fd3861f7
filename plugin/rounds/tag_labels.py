"""Labels from tags: the quickest way to label in the App is to tag."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..dataset.labels import read_numbers
from ..dataset.rows import Rows
from ..errors import CoresetError
from ..runs.plain_fields import write_field


def write_labels_from_tags(rows: Rows, label_field: str, labels: Mapping[str, str]) -> int:
    """Writes a label where a tag says it and there is none. Nothing is removed, and no label is changed.

    Args:
        rows: the rows
        label_field: a ``Classification`` or string field; made as a ``Classification`` field if it does not exist
        labels: tag -> label

    Returns:
        labels that were written

    Raises:
        CoresetError: if a row carries tags of two labels, nothing carries any, or the database loses labels
    """
    if not isinstance(labels, Mapping) or not labels or not all(isinstance(name, str) for name in labels.values()):
        raise CoresetError(f"labels_from_tags must be a dict of tag to label, e.g. {{'cat': 'cat'}}, got {labels!r}")
    if read_numbers(rows, label_field) is not None:
        raise CoresetError(f"labels in '{label_field}' are numbers, which no tag says; leave out labels_from_tags=")
    has_field = rows.has(label_field)
    is_text = has_field and _is_text(rows, label_field)
    present = rows.values(label_field if is_text else f"{label_field}.label") if has_field else [None] * len(rows)
    wanted: dict[str, str] = {}
    for row_id, tags, label in zip(rows.ids(), rows.values("tags"), present, strict=True):
        found = {labels[tag] for tag in tags or () if tag in labels}
        if label is None and len(found) > 1:
            named = " and ".join(repr(name) for name in sorted(found))
            raise CoresetError(f"'{row_id}' carries tags of {named}; remove one of them")
        if label is None and found:
            wanted[row_id] = found.pop()
    if not wanted and all(label is None for label in present):
        raise CoresetError(f"no {rows.noun} carry any of the tags {', '.join(map(repr, sorted(labels)))}")
    if wanted:
        _write(rows, label_field, is_text, wanted)
    return len(wanted)


def _is_text(rows: Rows, label_field: str) -> bool:
    import fiftyone as fo

    return isinstance(rows.dataset.get_field(rows.path(label_field)), fo.StringField)


def _write(rows: Rows, label_field: str, is_text: bool, wanted: Mapping[str, str]) -> None:
    import fiftyone as fo

    if is_text:
        write_field(rows, label_field, fo.StringField, wanted)
        return
    documents: dict[str, Any] = {row_id: fo.Classification(label=label) for row_id, label in wanted.items()}
    if not rows.has(label_field):
        rows.dataset.add_sample_field(
            rows.path(label_field), fo.EmbeddedDocumentField, embedded_doc_type=fo.Classification
        )
    rows.set_values(label_field, documents)
