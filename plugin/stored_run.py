"""What a stored run must hold, checked before anything is made of it."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .errors import CoresetError

#: The shape of every array; letters stand for lengths that must agree: n rows, l rows left out, d numbers of a vector,
#: g budgets, m evaluated rows, p followed rows, t metrics. See :class:`.CoresetResults`, :class:`.CoverageCurve` and
#: :class:`.FirstCover`.
_SHAPES: dict[str, tuple[str | int, ...]] = {
    "rank": ("n",),
    "ids": ("n", 12),
    "points": ("n", 2),
    "fingerprints": ("n",),
    "near_copies": ("n",),
    "vectors": ("n", "d"),
    "vectors_exponent": ("n",),
    "left_out": ("l", 12),
    "first_covered_at": ("n",),
    "first_duplicate_at": ("n",),
    "curve_scalars": (5,),
    "curve_budgets": ("g",),
    "curve_rows": ("m",),
    "curve_distance": ("g", "m"),
    "curve_covered_at": ("m",),
    "curve_followed": ("p",),
    "curve_followed_weight": ("p",),
    "curve_redundant_at": ("p",),
    "curve_values": ("t", "g"),
    "curve_random_mean": ("t", "g"),
    "curve_random_sd": ("t", "g"),
}

#: Arrays that are stored all or none.
_WHOLES = ("first_", "curve_", "vectors")


def stored_arrays(stored: Any, key: str, columns: Sequence[str]) -> dict[str, np.ndarray]:
    """The arrays of a stored run.

    Args:
        stored: the results of the run as they were read from the database
        key: the name of the run
        columns: the columns that the run's record names, e.g. ``["score", "rank", "xy"]``

    Returns:
        the arrays by name. Those that this version does not know are left out

    Raises:
        CoresetError: if an array is missing, cannot be read, or does not fit the others; nothing is unpickled
    """
    texts = stored.get("arrays") if isinstance(stored, Mapping) else None
    if not isinstance(texts, Mapping):
        raise damaged(key, "its arrays are missing")
    shapes = _SHAPES | {f"column_{name}": ("n",) for name in columns if name not in ("rank", "xy")}
    needed = ["rank", "ids", *(["points"] if "xy" in columns else []), *(name for name in shapes if "column_" in name)]
    for prefix in _WHOLES:
        whole = [name for name in shapes if name.startswith(prefix)]
        needed += whole if any(name in texts for name in whole) else []
    for name in needed:
        if name not in texts:
            raise damaged(key, f"array '{name}' is missing")
    arrays = {name: read_array(texts[name], name, key) for name in shapes if name in texts}
    lengths: dict[str | int, int] = {}
    for name, array in arrays.items():
        fits = array.ndim == len(shapes[name]) and all(
            size == (lengths.setdefault(length, size) if isinstance(length, str) else length)
            for length, size in zip(shapes[name], array.shape, strict=True)
        )
        if not fits:
            expected = ", ".join(str(lengths.get(length, length)) for length in shapes[name])
            raise damaged(key, f"array '{name}' has shape {array.shape} instead of ({expected})")
        if array.dtype.kind not in "fiub" or (name in ("ids", "left_out") and array.dtype != np.uint8):
            raise damaged(key, f"array '{name}' holds values of type {array.dtype}")
    ranks = np.unique(arrays["rank"])
    if len(ranks) < lengths["n"] or (len(ranks) and ranks[0] < 0):  # those of rows that went are missing
        raise damaged(key, f"array 'rank' does not hold a rank of its own for each of the {lengths['n']} rows")
    return arrays


def damaged(key: str, what: str) -> CoresetError:
    """The error for a run that cannot be read.

    Args:
        key: the name of the run
        what: what is wrong, e.g. ``"array 'rank' is missing"``
    """
    return CoresetError(f"run '{key}' is damaged ({what}); compute it again with overwrite=True")


def read_array(text: Any, name: str, key: str) -> np.ndarray:
    """An array of a stored run; nothing is unpickled.

    Args:
        text: its stored form
        name: its name, for messages
        key: the name of the run

    Returns:
        the array

    Raises:
        CoresetError: if it cannot be read
    """
    import fiftyone.core.utils as fou

    try:
        array = fou.deserialize_numpy_array(text, ascii=True)  # numpy refuses pickled arrays by default
    except (zlib.error, ValueError, EOFError, AttributeError, TypeError, OSError) as error:
        raise damaged(key, f"array '{name}' cannot be read") from error
    if not isinstance(array, np.ndarray):
        raise damaged(key, f"array '{name}' cannot be read")
    return array


def pack_ids(ids: np.ndarray) -> np.ndarray:
    """24 hexadecimal digits an id -> (n, 12) bytes."""
    return np.frombuffer(bytes.fromhex("".join(ids.tolist())), dtype=np.uint8).reshape(-1, 12)


def unpack_ids(packed: np.ndarray) -> np.ndarray:
    """What :func:`pack_ids` packed."""
    digits = packed.tobytes().hex()
    return np.array([digits[start : start + 24] for start in range(0, len(digits), 24)])
