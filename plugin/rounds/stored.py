"""What is stored of a campaign: JSON with compressed numpy arrays, never pickle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import fiftyone.core.utils as fou
import numpy as np

from ..stored_run import pack_ids, read_array, unpack_ids
from .history import Round

if TYPE_CHECKING:
    from .campaign import RoundsResults

#: The arrays of every campaign.
ARRAYS = {"round": np.int16, "order": np.int32, "uncertainty": np.float32, "outcome": np.int8}


def stored_campaign(results: RoundsResults) -> dict[str, Any]:
    """The stored form of a campaign."""
    arrays = {"ids": pack_ids(results.ids)} | {name: getattr(results, name) for name in ARRAYS} | results.arrays
    return {
        "rounds": [entry.to_dict() for entry in results.history],
        "labels": results.labels,
        "arrays": {name: fou.serialize_numpy_array(array, ascii=True) for name, array in arrays.items()},
    }


def read_stored(stored: Mapping[str, Any], key: str) -> dict[str, Any]:
    """What :func:`stored_campaign` gave, as the arguments of :class:`.RoundsResults`.

    Raises:
        ValueError: if arrays differ in length
    """
    arrays = {name: read_array(text, name, key) for name, text in stored["arrays"].items()}
    ids = unpack_ids(arrays.pop("ids"))
    columns = {name: arrays.pop(name).astype(dtype) for name, dtype in ARRAYS.items()}
    if any(len(values) != len(ids) for values in [*columns.values(), stored["labels"]]):
        raise ValueError("the arrays differ in length")
    history = [Round.from_dict(entry) for entry in stored["rounds"]]
    return {"history": history, "ids": ids, "columns": columns, "labels": stored["labels"], "arrays": arrays}
