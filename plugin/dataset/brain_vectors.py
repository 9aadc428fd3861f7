"""Vectors that FiftyOne's own brain runs keep: similarity indexes of any backend, and visualizations made from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CoresetError
from .rows import FRAMES, Rows, noun_of

if TYPE_CHECKING:
    from fiftyone.core.dataset import Dataset

#: Types of brain runs that lead to vectors.
_TYPES = ("similarity", "visualization")


def runs_with_vectors(dataset: Dataset, patches_field: str | None) -> list[str]:
    """The brain runs whose vectors can be read.

    Args:
        dataset: the dataset
        patches_field: the label field whose objects the vectors are of, ``FRAMES`` for frames, or None for images

    Returns:
        keys of similarity indexes, and of visualizations that say which field or index they were made from
    """
    found = []
    for key in dataset.list_brain_runs():
        config = dataset.get_brain_info(key).config
        is_index = config.type == "similarity"
        if (is_index or _origin(config)) and config.type in _TYPES and _rows_of(dataset, key) == patches_field:
            found.append(key)
    return found


def origin_of(rows: Rows, key: str) -> str:
    """The field or similarity index that a brain run's vectors are read from.

    Args:
        rows: the rows
        key: the brain run

    Returns:
        the key itself for an index, else the name of the field or index of a visualization

    Raises:
        CoresetError: if the run is of another type or other rows, or keeps points only
    """
    config = rows.dataset.get_brain_info(key).config
    if config.type not in _TYPES:
        raise CoresetError(
            f"brain run '{key}' is of type '{config.type}', which has no embeddings; name a vector field, a similarity "
            "index or a visualization"
        )
    has = _rows_of(rows.dataset, key)
    if has != rows.patches_field:
        wanted = _named(rows.patches_field) if rows.patches_field else rows.noun
        raise CoresetError(
            f"brain run '{key}' has vectors of {_named(has)}, but {wanted} are asked for; name another one"
        )
    if config.type == "similarity":
        return key
    origin = _origin(config)
    if origin is None:
        raise CoresetError(
            f"visualization '{key}' keeps points only, and not the embeddings that they were made from; name the field "
            "or the similarity index of these"
        )
    return origin


def read_index(rows: Rows, key: str) -> list[Any]:
    """Reads the vectors of a similarity index.

    Args:
        rows: the rows
        key: the similarity index

    Returns:
        one vector a row, None where the index has none

    Raises:
        CoresetError: if the index is empty or cannot be read
    """
    of_objects = rows.patches_field not in (None, FRAMES)  # frames are the samples of their view
    ids, kind = rows.ids(), "label_ids" if of_objects else "sample_ids"
    found: dict[str, Any] = {}
    try:
        index = rows.dataset.load_brain_results(key)
        indexed = getattr(index, kind)  # None in backends that cannot list them
        wanted = ids if indexed is None else list(set(ids).intersection(map(str, indexed)))
        if wanted:  # FiftyOne's own backend fails if it has none of them
            vectors, sample_ids, label_ids = index.get_embeddings(**{kind: wanted})
            found_ids = label_ids if of_objects else sample_ids
            # FiftyOne's own index holds float32 in the process that made it, and the same numbers as float64 in others.
            found = dict(zip(map(str, found_ids), np.asarray(vectors, dtype=np.float32), strict=True))
    except Exception as error:  # whatever the backend's client raises
        raise CoresetError(
            f"similarity index '{key}' cannot be read ({type(error).__name__}: {error}); see that its database runs, "
            "or name a vector field"
        ) from error
    return align(found, ids, f"similarity index '{key}'")


def align(vectors: dict[str, Any], ids: list[str], name: str) -> list[Any]:
    """Puts vectors by id in the order of rows.

    Args:
        vectors: a mapping from id to vector
        ids: the ids of the rows
        name: where the vectors are from, for messages

    Returns:
        one vector a row, None where there is none

    Raises:
        CoresetError: if no row has a vector
    """
    found = [vectors.get(row_id) for row_id in ids]
    if all(vector is None for vector in found):
        example = f", e.g. {next(iter(vectors))!r}" if vectors else ""
        raise CoresetError(
            f"{name} has {len(vectors):,} vectors{example}, none of them for one of the {len(ids):,} rows; vectors "
            "are found by the ids of samples, or of objects where these are ranked"
        )
    return found


def _rows_of(dataset: Dataset, key: str) -> str | None:
    """What a brain run's vectors are of, as in :attr:`.Rows.patches_field`."""
    from fiftyone.core.stages import ToFrames

    patches_field: str | None = dataset.get_brain_info(key).config.patches_field
    stages = dataset._doc.get_brain_methods()[key].view_stages or ()
    of_frames = any(f'"{ToFrames.__module__}.{ToFrames.__name__}"' in stage for stage in stages)
    return FRAMES if patches_field is None and of_frames else patches_field


def _named(patches_field: str | None) -> str:
    """What rows are called, with the field that objects are in."""
    noun = noun_of(patches_field)
    return f"{noun} in '{patches_field}'" if noun == "objects" else noun


def _origin(config: Any) -> str | None:
    return getattr(config, "embeddings_field", None) or getattr(config, "similarity_index", None)
