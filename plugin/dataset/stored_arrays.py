"""Arrays as FiftyOne stores them: compressed ``.npy`` files of a few hundred bytes, one a sample."""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np


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
