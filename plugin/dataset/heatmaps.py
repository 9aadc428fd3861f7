"""Maps over images, such as a segmentation model's uncertainty at every pixel, as one number an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import CoresetError


def heatmap_means(stored: Sequence[Mapping[str, Any] | None], field: str) -> list[float | None]:
    """Means over the pixels of maps, as shares of their range.

    Args:
        stored: one ``Heatmap`` an image, as the database has it; one is unpacked at a time
        field: where they are, for messages

    Returns:
        one number an image, None without a map. A map without a ``range`` has that which FiftyOne shows it by: 0 to 1,
        or of whole numbers 0 to the largest of an image file's type, 255 of a stored array

    Raises:
        CoresetError: if a map cannot be read
    """
    return [None if heatmap is None else _mean(heatmap, field) for heatmap in stored]


def _mean(heatmap: Mapping[str, Any], field: str) -> float | None:
    import fiftyone.core.labels as fol
    import fiftyone.core.utils as fou

    stored, path = heatmap.get("map"), heatmap.get("map_path")
    if stored is None and path is None:
        return None
    try:
        pixels = fol.Heatmap(map_path=path).get_map() if stored is None else fou.deserialize_numpy_array(stored)
    except Exception as error:
        raise CoresetError(
            f"field '{field}': the map {path or 'in the database'} cannot be read ({error}); write it again"
        ) from error
    if pixels is None or not pixels.size:
        return None
    largest = 1
    if np.issubdtype(pixels.dtype, np.integer):
        largest = np.iinfo(pixels.dtype).max if stored is None else 255
    low, high = heatmap.get("range") or (0, largest)
    return float((pixels.mean(dtype=np.float64) - low) / (high - low))
