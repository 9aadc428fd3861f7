"""Arrays as FiftyOne stores them: compressed ``.npy`` files of a few hundred bytes, one a sample."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

_FLOATS = (np.float32, np.float64)


def decoded(values: Sequence[Any]) -> list[Any]:
    """Decodes the stored vectors of a field.

    The header of an ``.npy`` file is Python source, and parsing it takes twelve times as long as all the rest. Vectors
    of a field have the same one, so it is parsed once.

    Args:
        values: values as they are stored, of which those that are bytes are arrays

    Returns:
        the arrays, and other values as they are
    """
    found: list[Any] = []
    header, like = b"", np.empty(0)
    for value in values:
        if not isinstance(value, bytes):
            found.append(value)
            continue
        content = zlib.decompress(value)
        if not header or len(content) != len(header) + like.nbytes or not content.startswith(header):
            like = np.load(io.BytesIO(content))  # numpy refuses pickled arrays by default
            header = content[: len(content) - like.nbytes] if like.ndim == 1 else b""
            found.append(like)
            continue
        found.append(np.frombuffer(content, like.dtype, offset=len(header)))
    return found


def stacked(parts: Iterable[Sequence[Any]], n: int) -> np.ndarray | None:
    """Decodes stored vectors into one matrix, so that no more than a part of them is held beside it.

    Args:
        parts: stored values of n rows, ``None`` where missing
        n: the number of rows

    Returns:
        (n, d) float32 or float64, NaN where missing; None if values are no vectors, or of different shapes or types
    """
    matrix: np.ndarray | None = None
    row = 0
    for part in parts:
        for vector in decoded(part):
            if vector is not None:
                if not isinstance(vector, np.ndarray) or vector.dtype not in _FLOATS:
                    return None
                if matrix is None and vector.ndim == 1:
                    matrix = np.full((n, len(vector)), np.nan, vector.dtype)
                if matrix is None or vector.shape != matrix.shape[1:] or vector.dtype != matrix.dtype:
                    return None
                matrix[row] = vector
            row += 1
    return matrix
