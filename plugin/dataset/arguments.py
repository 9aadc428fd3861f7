"""Arguments of methods that speak of rows, given the way FiftyOne users name rows: by view, tag or field."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CoresetError
from .rows import Rows

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection

#: Sets of rows, and values of rows.
_SETS = ("preselected", "excluded")
_VALUES = ("groups", "weights", "difficulty")


def resolve_arguments(
    rows: Rows, fields: list[str] | None, arguments: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Turns views, tags and fields into arrays with one value a row.

    Args:
        rows: the rows
        fields: the embeddings fields of the run, for a target view
        arguments: arguments of a method; ``preselected`` and ``excluded`` may be a view, a tag, a boolean field or a
            list of ids, ``groups``, ``weights`` and ``difficulty`` a field, and ``target`` a view. Arrays stay

    Returns:
        a tuple of the arguments with arrays, and of the arguments as the run's record keeps them: arrays and views are
        only counted there

    Raises:
        CoresetError: if a field does not exist, or nothing carries the tag
    """
    resolved, record = dict(arguments), {}
    for name, value in arguments.items():
        if name in _SETS and value is not None:
            resolved[name] = _members(rows, name, value)
        elif name in _VALUES and isinstance(value, str):
            resolved[name] = np.array(_field_values(rows, name, value), dtype=object)
            if name != "groups":
                resolved[name] = _numbers(name, value, resolved[name])
            elif not all(isinstance(group, Hashable) for group in resolved[name]):
                raise CoresetError(
                    f"groups: field '{value}' holds lists or arrays; choose a field with one value a row"
                )
        elif name == "target" and hasattr(value, "_root_dataset"):
            resolved[name] = _target_embeddings(value, fields)
        record[name] = _recorded(value)
    return resolved, record


def _members(rows: Rows, name: str, value: Any) -> np.ndarray:
    """A mask of the rows in a view, with a tag or true field, or in a list of ids."""
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, str):
        if rows.has(value):
            return _flags(rows, name, value)
        mask = np.array([value in (tags or ()) for tags in rows.values("tags")])
        if not mask.any():
            raise CoresetError(f"{name}: '{value}' is neither a field nor a tag of any of the {len(mask)} {rows.noun}")
        return mask
    if hasattr(value, "_root_dataset"):
        value = Rows(value).ids()
    elif not isinstance(value, Iterable):
        raise CoresetError(f"{name}: expected a view, a tag, a boolean field or a list of ids, got {value!r}")
    ids = list(value)
    if not all(isinstance(row_id, Hashable) for row_id in ids):
        raise CoresetError(f"{name}: expected ids, got a list of lists")
    chosen = set(ids)
    mask = np.array([row_id in chosen for row_id in rows.ids()])
    if chosen and not mask.any():
        raise CoresetError(f"{name}: none of the {len(chosen)} ids given is one of the {len(mask)} {rows.noun}")
    return mask


def _flags(rows: Rows, name: str, field: str) -> np.ndarray:
    """A mask of the rows in which a field is true."""
    values = rows.values(field)
    if any(isinstance(value, np.ndarray) for value in values):
        raise CoresetError(f"{name}: field '{field}' holds arrays; choose a boolean field")
    return np.array([bool(value) for value in values])


def _field_values(rows: Rows, name: str, field: str) -> list[Any]:
    from .labels import read_labels

    if not rows.has(field):
        raise CoresetError(f"{name}: field '{rows.path(field)}' does not exist on '{rows.dataset.name}'")
    values = rows.values(field)
    return read_labels(rows, field) or values if any(hasattr(value, "label") for value in values) else values


def _numbers(name: str, field: str, values: np.ndarray) -> np.ndarray:
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise CoresetError(f"{name}: field '{field}' holds other things than numbers ({error})") from error


def _target_embeddings(target: SampleCollection, fields: list[str] | None) -> np.ndarray:
    from .embeddings import EmbeddingSource

    if fields is None:
        raise CoresetError("target: a target view needs embeddings in a field; pass an array of target embeddings")
    found = EmbeddingSource.of(fields).load(Rows(target))
    return found.matrix[found.valid]


def _recorded(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return f"array {value.shape}"
    if hasattr(value, "_root_dataset"):
        return value.name or f"view of {len(value)}"
    return value
