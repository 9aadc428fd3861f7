"""One label a row."""

from __future__ import annotations

import math

from ..errors import CoresetError
from .rows import Rows


def read_numbers(rows: Rows, label_field: str) -> list[float | None] | None:
    """Labels that are numbers.

    Args:
        rows: the rows
        label_field: a ``Regression``, float or integer field

    Returns:
        n finite numbers or None; None if the field does not exist or holds something else
    """
    path = number_path(rows, label_field)
    if path is None:
        return None
    return [float(value) if value is not None and math.isfinite(value) else None for value in rows.values(path)]


def number_path(rows: Rows, label_field: str) -> str | None:
    """Where the numbers of a ``Regression``, float or integer field are; None if the field holds something else."""
    import fiftyone as fo

    field = rows.dataset.get_field(rows.path(label_field)) if rows.has(label_field) else None
    if isinstance(field, fo.EmbeddedDocumentField) and field.document_type is fo.Regression:
        return f"{label_field}.value"
    return label_field if isinstance(field, fo.FloatField | fo.IntField) else None


def read_labels(rows: Rows, label_field: str | None) -> list[str | None] | None:
    """One label a row.

    Args:
        rows: the rows
        label_field: a ``Classification`` or string field; for objects the attribute of the object, usually ``"label"``

    Returns:
        n strings or None, or None if no field was given

    Raises:
        CoresetError: if the field does not exist or holds no single label
    """
    import fiftyone as fo

    if label_field is None:
        return None
    if not isinstance(label_field, str) or not rows.has(label_field):
        raise CoresetError(f"label field '{rows.path(label_field)}' does not exist on '{rows.dataset.name}'")
    field = rows.dataset.get_field(rows.path(label_field))
    if isinstance(field, fo.StringField):
        return rows.values(label_field)
    if isinstance(field, fo.EmbeddedDocumentField) and field.document_type is fo.Classification:
        return rows.values(f"{label_field}.label")
    raise CoresetError(
        f"label field '{label_field}' must be a Classification or a string field, one label for each of the "
        f"{rows.noun}; for detections pass dataset.to_patches('{label_field}') and label_field='label'"
    )
