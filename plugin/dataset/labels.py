"""One label a row."""

from __future__ import annotations

from ..errors import CoresetError
from .rows import Units


def read_labels(units: Units, label_field: str | None) -> list[str | None] | None:
    """One label a row.

    Args:
        units: the rows
        label_field: a ``Classification`` or string field; for objects the attribute of the object, usually ``"label"``

    Returns:
        n strings or None, or None if no field was given

    Raises:
        CoresetError: if the field does not exist or holds no single label
    """
    import fiftyone as fo

    if label_field is None:
        return None
    if not units.has(label_field):
        raise CoresetError(f"label field '{units.path(label_field)}' does not exist on '{units.dataset.name}'")
    field = units.dataset.get_field(units.path(label_field))
    if isinstance(field, fo.StringField):
        return units.values(label_field)
    if isinstance(field, fo.EmbeddedDocumentField) and field.document_type is fo.Classification:
        return units.values(f"{label_field}.label")
    raise CoresetError(
        f"label field '{label_field}' must be a Classification or a string field, one label for each of the "
        f"{units.noun}; for detections pass dataset.to_patches('{label_field}') and label_field='label'"
    )
