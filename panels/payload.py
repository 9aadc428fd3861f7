"""Arrays on their way to the browser: base64 of little-endian bytes, a byte a colour."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..plugin.diagnostics.tables import number

#: Code of a row without a value, and the number of codes for ordered values.
MISSING = 255
LEVELS = 255

#: Categories that get a colour of their own; the others share one.
MAX_CATEGORIES = 7

#: Ordered values are spread between these quantiles, so that a few outliers do not take all the colours.
_TAILS = (0.01, 0.99)


def encode(array: np.ndarray) -> str:
    """Base64 of the array's bytes, little-endian."""
    return base64.b64encode(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes()).decode()


def encode_mask(mask: np.ndarray) -> str:
    """Base64 of a bitmask, lowest bit first."""
    return encode(np.packbits(mask, bitorder="little"))


def ordered_coloring(values: np.ndarray) -> dict[str, Any]:
    """Codes and legend of numbers.

    Args:
        values: (n,) floats, NaN where missing

    Returns:
        ``{"codes", "legend"}`` as the web component expects
    """
    known = np.isfinite(values)
    low, high = np.quantile(values[known], _TAILS) if known.any() else (0.0, 1.0)
    if low == high and known.any():
        low, high = values[known].min(), values[known].max()
    span = (high - low) or 1.0
    codes = np.full(len(values), MISSING, dtype=np.uint8)
    codes[known] = np.round(np.clip((values[known] - low) / span, 0, 1) * (LEVELS - 1))
    below = "≤ " if known.any() and values[known].min() < low else ""
    above = "≥ " if known.any() and values[known].max() > high else ""
    legend = {
        "kind": "ordered",
        "low": f"{below}{number(low)}",
        "high": f"{above}{number(high)}",
        "missing": int((~known).sum()),
    }
    return {"codes": encode(codes), "legend": legend}


def category_coloring(values: Sequence[Any]) -> dict[str, Any]:
    """Codes and legend of categories, the most frequent first; the rare ones share the last colour.

    Args:
        values: n values, None where missing

    Returns:
        ``{"codes", "legend"}`` as the web component expects
    """
    counts = Counter(str(value) for value in values if value is not None)
    ranked = sorted(counts, key=lambda label: (-counts[label], label))
    named = ranked[:MAX_CATEGORIES]
    code_of = {label: code for code, label in enumerate(named)}
    codes = np.array(
        [MISSING if value is None else code_of.get(str(value), len(named)) for value in values], dtype=np.uint8
    )
    labels, sizes = list(named), [counts[label] for label in named]
    others = ranked[MAX_CATEGORIES:]
    if others:
        labels.append(f"{len(others)} others")
        sizes.append(sum(counts[label] for label in others))
    legend = {"kind": "category", "labels": labels, "counts": sizes, "missing": sum(v is None for v in values)}
    return {"codes": encode(codes), "legend": legend}


def named_coloring(parts: Mapping[str, np.ndarray], missing: str) -> dict[str, Any]:
    """Codes and legend of parts that exclude each other, in their order.

    Args:
        parts: name -> (n,) bool, at most :data:`MAX_CATEGORIES` of them
        missing: what the rows in no part are called

    Returns:
        ``{"codes", "legend"}`` as the web component expects
    """
    masks = list(parts.values())
    codes = np.full(len(masks[0]), MISSING, dtype=np.uint8)
    for code, mask in enumerate(masks):
        codes[mask] = code
    legend = {
        "kind": "category",
        "labels": list(parts),
        "counts": [int(mask.sum()) for mask in masks],
        "missing": int((codes == MISSING).sum()),
        "missingLabel": missing,
    }
    return {"codes": encode(codes), "legend": legend}


def shared_coloring(ours: np.ndarray, theirs: np.ndarray, name: str, other: str) -> dict[str, Any]:
    """Codes and legend of what two selections keep.

    Args:
        ours: (n,) bool, kept by the first
        theirs: (n,) bool, kept by the second
        name: the first
        other: the second

    Returns:
        ``{"codes", "legend"}`` as the web component expects
    """
    parts = {"both": ours & theirs, f"only {name}": ours & ~theirs, f"only {other}": theirs & ~ours}
    return named_coloring(parts, "neither")
