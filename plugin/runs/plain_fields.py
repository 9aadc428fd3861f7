"""Fields beside those of a run: membership for export, suspicious labels. They are a user's from then on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..dataset.journal import journal
from ..dataset.owned import declare_lastingly, existing_ids, values_by_id
from ..dataset.rows import Rows
from ..errors import CoresetError

if TYPE_CHECKING:
    from fiftyone.core.fields import Field

#: How often values are written again that the database has lost.
_ATTEMPTS = 3


def write_field(rows: Rows, field: str, field_type: type[Field], values: Mapping[str, Any]) -> None:
    """Declares a field and writes it; what is in the database then is compared with what was to be written.

    Args:
        rows: the rows to write on
        field: the name of the field
        field_type: its type
        values: a mapping from row id to value; other rows keep what they have

    Raises:
        CoresetError: if the field does not stay declared, or the database loses values
    """
    dataset, path = rows.dataset, rows.path(field)
    declare_lastingly(dataset, {path}, lambda: rows.declare(field, field_type))
    pending = dict(values)
    for _ in range(_ATTEMPTS):
        rows.set_values(field, pending)
        journal()
        stored, alive = values_by_id(dataset, rows.patches_field, path), existing_ids(dataset, rows.patches_field)
        pending = {row: value for row, value in pending.items() if row in alive and stored.get(row) != value}
        if not pending:
            return
    raise CoresetError(
        f"field '{path}' lacks {len(pending):,} of {len(values):,} values after {_ATTEMPTS} attempts to write it: the "
        "database loses what is written, or another process writes the field; call again with overwrite=True"
    )
