"""What is stored of a run, and checked before anything is made of it."""

from __future__ import annotations

import base64
import io
import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import CoresetError

if TYPE_CHECKING:
    from .results import CoresetResults

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


def arrays_of(results: CoresetResults) -> dict[str, np.ndarray]:
    """The arrays that are stored of a run, by name."""
    arrays = {"ids": pack_ids(results.ids), "rank": results.rank, "points": results.points}
    arrays |= {f"column_{name}": values for name, values in results.columns.items()}
    arrays |= {"fingerprints": results._fingerprints, "near_copies": results.near_copies}
    if results.left_out is not None and len(results.left_out):
        arrays["left_out"] = pack_ids(results.left_out)
    if results._vectors is not None:
        arrays |= {"vectors": results._vectors[0], "vectors_exponent": results._vectors[1]}
    if results._first_cover is not None:
        arrays |= {f"first_{name}": values for name, values in vars(results._first_cover).items()}
    if results._curve is not None:
        arrays |= {f"curve_{name}": values for name, values in results._curve.to_arrays().items()}
    return {name: array for name, array in arrays.items() if array is not None}


def parts_of(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What :class:`.CoresetResults` are made of, from what :func:`stored_arrays` gives."""
    from .diagnostics.curve import CoverageCurve
    from .diagnostics.first_cover import FirstCover

    curve, first = _with_prefix(arrays, "curve_"), _with_prefix(arrays, "first_")
    return {
        "ids": unpack_ids(arrays["ids"]),
        "rank": arrays["rank"],
        "columns": _with_prefix(arrays, "column_"),
        "points": arrays.get("points"),
        "fingerprints": arrays.get("fingerprints"),
        "near_copies": arrays.get("near_copies"),
        "left_out": unpack_ids(arrays["left_out"]) if "left_out" in arrays else None,
        "vectors": (arrays["vectors"], arrays["vectors_exponent"]) if "vectors" in arrays else None,
        "curve": CoverageCurve.from_arrays(curve) if curve else None,
        "first_cover": FirstCover(**first) if first else None,
    }


def _with_prefix(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}


def damaged(key: str, what: str) -> CoresetError:
    """The error for a run that cannot be read.

    Args:
        key: the name of the run
        what: what is wrong, e.g. ``"array 'rank' is missing"``
    """
    return CoresetError(f"run '{key}' is damaged ({what}); compute it again with overwrite=True")


def written_array(array: np.ndarray) -> str:
    """The stored form of an array, as FiftyOne's ``serialize_numpy_array`` writes it, but compressed in half the time:
    most of it is random to a compressor.
    """
    with io.BytesIO() as file:
        np.save(file, array, allow_pickle=False)
        return base64.b64encode(zlib.compress(file.getvalue(), 1)).decode()


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
