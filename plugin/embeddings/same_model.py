"""Whether vectors that are in a field already come from a model: a few of them are computed again."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import CoresetError
from .embedder import Embedder
from .field import EmbeddingField
from .loading import batches
from .zoo import ZooEmbedder

#: Vectors that are computed again.
_CHECKED = 8

#: Largest median difference, as a share of a vector's length. Half precision and a reduced JPEG move a vector by 0.009
#: (median of 2,000; by 0.045 at most, docs/benchmarks.md); vectors of two models differ by about 1.4.
_TOLERANCE = 0.05


def require_same_model(field: EmbeddingField, embedder: Embedder | ZooEmbedder, max_pixels: int) -> int:
    """Computes a few vectors of a field again.

    Args:
        field: the field, which holds some
        embedder: the model that is said to have made them
        max_pixels: see :func:`.decode.decode`

    Returns:
        the dimension of the vectors

    Raises:
        CoresetError: if they differ, or none of their images can be read
    """
    files, stored = field.examples(_CHECKED)
    differences = []
    for batch in batches(files, embedder.framing, len(files), 0, max_pixels):
        wanted = [place for place, row_id in enumerate(batch.ids) if row_id in stored]
        if not wanted:
            continue
        pixels: Any = [batch.pixels[place] for place in wanted]
        computed = embedder(np.stack(pixels) if isinstance(batch.pixels, np.ndarray) else pixels)
        for place, vector in zip(wanted, computed, strict=True):
            there = stored[batch.ids[place]]
            if np.isfinite(vector).all() and len(vector) != len(there):
                raise CoresetError(
                    f"field '{field.path}' holds vectors of {len(there)} numbers, but {field.spec} makes vectors of "
                    f"{len(vector)}; name the model that made them, or choose another field"
                )
            differences.append(np.linalg.norm(vector - there) / np.linalg.norm(there))
    found = [difference for difference in differences if np.isfinite(difference)]
    if not found:
        raise CoresetError(
            f"field '{field.path}' holds vectors that do not say which model made them, and none of {len(stored)} "
            "could be computed again to see; choose another field, or overwrite=True to replace them"
        )
    if np.median(found) > _TOLERANCE:
        raise CoresetError(
            f"field '{field.path}' holds vectors that {field.spec} did not make: computed again, {len(found)} of them "
            f"differ by {np.median(found):.0%} of their length (median); name the model that made them, or choose "
            "another field"
        )
    return len(next(iter(stored.values())))
