"""What could be used as embeddings: the fields of vectors that rows have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..dataset.owned import all_fields
from ..dataset.rows import IN_FRAMES
from .fingerprint_field import FINGERPRINT_FIELD

if TYPE_CHECKING:
    from fiftyone.core.dataset import Dataset


def named_vectors(dataset: Dataset, prefix: str = "") -> list[str]:
    """The fields that can hold embeddings.

    Args:
        dataset: the dataset
        prefix (""): where the rows are within a sample, e.g. ``"ground_truth.detections."``; images by default, and the
            frames of videos

    Returns:
        names of vector fields and of list fields of numbers, without points of maps and fingerprints; those of frames
        as ``"frames.<field>"``
    """
    import fiftyone as fo

    vectors = [
        path.removeprefix(prefix)
        for path, field in all_fields(dataset).items()
        if path.startswith(prefix)
        and (
            isinstance(field, fo.VectorField)
            or (isinstance(field, fo.ListField) and isinstance(field.field, fo.FloatField))
        )
    ]
    frames = IN_FRAMES if not prefix and dataset.media_type == "video" else ""
    names = {name: name.removeprefix(frames) for name in vectors}
    return [
        path
        for path, name in names.items()
        if "." not in name and not name.endswith("_xy") and name != FINGERPRINT_FIELD
    ]
