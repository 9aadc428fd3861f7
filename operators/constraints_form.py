"""Form fields of what any ranking can be asked to obey: what is kept and left out, shares, near-duplicates."""

from __future__ import annotations

from typing import Any, Literal

import fiftyone as fo
from pydantic import Field

from ..plugin.door import FieldPath, Line, Parameters
from ..plugin.errors import CoresetError
from .form import Form, chosen_rows, group_fields, has_field, path_of

_SHARES = {
    "proportional": "As in the data",
    "sqrt": "Between the data and equal (square root)",
    "uniform": "Equal",
}


class Constraints(Parameters):
    """What a ranking has to obey."""

    preselected: Line | None = Field(
        None, title="Always keep", description="A tag, a boolean field or a saved view, e.g. what is labelled already"
    )
    excluded: Line | None = Field(None, title="Never keep", description="A tag, a boolean field or a saved view")
    groups: FieldPath | None = Field(
        None, title="Balance by", description="A label or other field; the budget is shared among its values"
    )
    quota: Literal["proportional", "sqrt", "uniform"] = Field("proportional", title="Shares")
    min_per_group: int = Field(0, ge=0, le=1_000_000, title="At least of each")
    deduplicate: bool = Field(
        False, title="One image of each group of near-duplicates first", description="The others are ranked last"
    )
    outlier_percent: float = Field(
        0, ge=0, le=50, title="Outliers to rank last, in percent", description="The images that lie farthest apart"
    )
    weights: FieldPath | None = Field(
        None, title="Importance", description="A field of positive numbers; twice the number, twice the preference"
    )


def add_inputs(form: Form) -> None:
    """What is kept, left out, balanced, and ranked last."""
    dataset, rows = form.dataset, chosen_rows(form.dataset, form.params)
    for name in ("preselected", "excluded"):
        form.suggest(name, sets(dataset, rows))
    form.suggest("groups", group_fields(dataset, rows))
    if form.params.groups:
        form.choose("quota", _SHARES)
        form.whole_number("min_per_group")
    form.tick("deduplicate")
    form.number("outlier_percent")
    form.suggest("weights", number_fields(dataset, rows))
    form.check(lambda: check(dataset, form.params))


def sets(dataset: fo.Dataset, rows: str) -> list[str]:
    """Names of sets of rows: tags, boolean fields, saved views."""
    path = path_of(dataset, rows, "tags")
    tags = dataset.distinct(path) if dataset.has_field(path) else []  # frames have none
    return [*tags, *_fields(dataset, rows, (fo.BooleanField,)), *dataset.list_saved_views()]


def arguments(params: Any) -> dict[str, Any]:
    """The arguments that :func:`add_inputs` asks for, as the library takes them; what was left empty is not named."""
    found = {
        name: getattr(params, name)
        for name in ("preselected", "excluded", "groups", "weights", "deduplicate", "min_per_group")
        if getattr(params, name)
    }
    if params.groups and params.quota != "proportional":
        found["quota"] = params.quota
    if params.outlier_percent:
        found["outlier_guard"] = params.outlier_percent / 100
    return found


def check(dataset: fo.Dataset, params: Any) -> None:
    """Refuses names of nothing, before anything is read."""
    rows = chosen_rows(dataset, params)
    if params.preselected or params.excluded:
        known = sets(dataset, rows)
        _require_known(known, "Always keep", params.preselected, "a tag, a boolean field or a saved view")
        _require_known(known, "Never keep", params.excluded, "a tag, a boolean field or a saved view")
    for title, name in (("Balance by", params.groups), ("Importance", params.weights)):
        if name:
            require_field(dataset, rows, title, name)
    if params.min_per_group and not params.groups:
        raise CoresetError("'At least of each' needs a field to balance by; choose one under 'Balance by'")


def _require_known(known: list[str], title: str, name: str | None, what: str) -> None:
    if name and name not in known:
        there = f"there are: {', '.join(known[:10])}" if known else "there is none yet"
        raise CoresetError(f"'{title}': '{name}' is not {what} of this dataset; {there}")


def require_field(dataset: fo.Dataset, rows: str, title: str, name: str | None) -> None:
    """Refuses the name of a field that the rows do not have, in the words of the form."""
    if not name:
        raise CoresetError(f"'{title}' is missing; choose a field")
    if not has_field(dataset, rows, name):
        raise CoresetError(f"'{title}': this dataset has no field '{path_of(dataset, rows, name)}'")


def number_fields(dataset: fo.Dataset, rows: str) -> list[str]:
    """Fields of numbers that the rows have."""
    return _fields(dataset, rows, (fo.FloatField, fo.IntField))


def _fields(dataset: fo.Dataset, rows: str, kinds: tuple[type, ...]) -> list[str]:
    """Fields of some kinds that the rows have themselves."""
    prefix = path_of(dataset, rows, "")
    schema = dataset.get_field_schema(flat=True)
    names = [
        path.removeprefix(prefix)
        for path, field in schema.items()
        if isinstance(field, kinds) and path.startswith(prefix)
    ]
    return [name for name in names if "." not in name]
