"""Arguments of methods that speak of rows, given the way FiftyOne users name rows: by view, tag or field."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CoresetError
from .heatmaps import heatmap_means
from .rows import Rows
from .strata import strata

if TYPE_CHECKING:
    from fiftyone.core.collections import SampleCollection

logger = logging.getLogger(__name__)

#: Sets of rows, and values of rows.
_SETS = ("preselected", "excluded", "exemplars")
_VALUES = ("groups", "weights", "difficulty", "score", "cost", "protected")
#: All arguments that speak of rows.
ROW_ARGUMENTS = (*_SETS, *_VALUES, "target")


def resolve_arguments(
    rows: Rows, fields: list[str] | None, arguments: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Turns views, tags and fields into arrays with one value a row, and holds the rows that they are of.

    Args:
        rows: the rows
        fields: the embeddings fields of the run, for a target view
        arguments: arguments of a method; ``preselected``, ``excluded`` and ``exemplars`` may be a view, or the name of
            a boolean field, a tag or a saved view, or a list of ids, whose order is kept; ``groups``, ``weights``,
            ``difficulty``, ``score``, ``cost`` and ``protected`` a field, of numbers or a ``Heatmap`` (its mean), and
            ``target`` a view. Arrays stay

    Returns:
        a tuple of the arguments with arrays, and of the arguments as the run's record keeps them: arrays and views are
        only counted there

    Raises:
        CoresetError: if a field does not exist, nothing carries the tag, or an id is none of the rows
    """
    resolved, record = dict(arguments), {}
    if any(arguments.get(name) is not None for name in ROW_ARGUMENTS):
        rows.hold()  # images may be embedded for hours before anything else is read of them
    for name, value in arguments.items():
        if name in _SETS and value is not None:
            resolved[name] = _members(rows, name, value)
            if name == "exemplars" and resolved[name] is not value and resolved[name].dtype != bool:
                resolved[name] = np.isin(np.arange(len(rows)), resolved[name])  # their order says nothing
        elif name in _VALUES and isinstance(value, str) and (name, value) != ("difficulty", "head"):
            resolved[name] = np.array(field_values(rows, name, value), dtype=object)
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
    """The rows in a view, with a tag or true field, or in a list of ids: a mask, or row numbers in the order given.

    A name is that of a field, else of a tag, else of a saved view.
    """
    if isinstance(value, np.ndarray) and value.dtype.kind != "U":
        return value
    if isinstance(value, str):
        if rows.has(value):
            return _flags(rows, name, value)
        mask = np.array([value in (tags or ()) for tags in rows.values("tags")])
        if mask.any():
            return mask
        if value not in rows.dataset.list_saved_views():
            raise CoresetError(
                f"{name}: '{value}' is neither a field, nor a tag of any of the {len(mask)} {rows.noun}, nor a saved "
                "view"
            )
        value = rows.dataset.load_saved_view(value)
    is_view = hasattr(value, "_root_dataset")
    if is_view:
        value = Rows(value, rows.patches_field).ids()
    elif not isinstance(value, Iterable):
        raise CoresetError(f"{name}: expected a view, a tag, a boolean field or a list of ids, got {value!r}")
    ids = [str(row_id) if isinstance(row_id, np.str_) else row_id for row_id in value]
    if not all(isinstance(row_id, Hashable) for row_id in ids):
        raise CoresetError(f"{name}: expected ids, got a list of lists")
    return _placed(rows, name, ids, is_view)


def _placed(rows: Rows, name: str, ids: list[Any], is_view: bool) -> np.ndarray:
    """The row numbers of ids, in their order; ids of no row are refused, those of a view counted and left out."""
    place = {row_id: row for row, row_id in enumerate(rows.ids())}
    strangers = [row_id for row_id in ids if row_id not in place]
    if ids and len(strangers) == len(ids):
        raise CoresetError(f"{name}: none of the {len(ids)} ids given is one of the {len(place)} {rows.noun}")
    if strangers and not is_view:
        raise CoresetError(
            f"{name}: {len(strangers)} of the {len(ids)} ids given are none of the {len(place)} {rows.noun}, e.g. "
            f"{strangers[0]!r}; leave them out"
        )
    if strangers:
        logger.warning(
            "%s: %d of the %d %s in the view are none of those to rank and are left out",
            name, len(strangers), len(ids), rows.noun,
        )  # fmt: skip
    return np.array([place[row_id] for row_id in ids if row_id in place], dtype=np.int64)


def _flags(rows: Rows, name: str, field: str) -> np.ndarray:
    """A mask of the rows in which a field is true."""
    values = rows.values(field)
    if any(isinstance(value, np.ndarray) for value in values):
        raise CoresetError(f"{name}: field '{field}' holds arrays; choose a boolean field")
    return np.array([bool(value) for value in values])


def field_values(rows: Rows, name: str, field: str) -> list[Any]:
    """One value a row; of label fields the label, of heatmaps the mean over the pixels.

    Args:
        rows: the rows
        name: the argument that named the field, for messages
        field: the field

    Returns:
        n values, None where there is none. As ``"groups"``, a field of several labels, such as detections, gives one
        of them, see :func:`.strata`

    Raises:
        CoresetError: if there is no such field
    """
    from .labels import read_labels

    if not rows.has(field):
        raise CoresetError(f"{name}: field '{rows.path(field)}' does not exist on '{rows.dataset.name}'")
    document = getattr(rows.dataset.get_field(rows.path(field)), "document_type", None)
    if document is not None and document.__name__ == "Heatmap":
        return heatmap_means(rows.values(field, as_stored=True), field)
    plural = getattr(document, "_LABEL_LIST_FIELD", None)
    if plural is not None and name == "groups":
        return strata(rows.values(f"{field}.{plural}.label"))
    values = rows.values(field)
    if name == "groups" and _are_label_lists(values):
        return strata(values)
    return read_labels(rows, field) or values if any(hasattr(value, "label") for value in values) else values


def _are_label_lists(values: list[Any]) -> bool:
    """Whether values are lists of labels, or None."""
    lists = [value for value in values if value is not None]
    return bool(lists) and all(
        isinstance(value, list | tuple) and all(label is None or isinstance(label, str) for label in value)
        for value in lists
    )


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
