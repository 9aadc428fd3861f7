"""What could be used as embeddings: the fields of vectors that rows have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..dataset.brain_vectors import runs_with_vectors
from ..dataset.owned import all_fields
from ..dataset.rows import IN_FRAMES, container
from .fingerprint_field import FINGERPRINT_FIELD

if TYPE_CHECKING:
    from fiftyone.core.dataset import Dataset


#: Lists of numbers that describe something else: fingerprints, and where objects are.
_NO_EMBEDDINGS = (FINGERPRINT_FIELD, "bounding_box")


def named_vectors(dataset: Dataset, prefix: str = "") -> list[str]:
    """The fields that can hold embeddings.

    Args:
        dataset: the dataset
        prefix (""): where the rows are within a sample, e.g. ``"ground_truth.detections."``; images by default, and the
            frames of videos

    Returns:
        names of vector fields and of list fields of numbers, without points of maps, fingerprints and boxes; those of
        frames as ``"frames.<field>"``
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
        if "." not in name and not name.endswith("_xy") and name not in _NO_EMBEDDINGS
    ]


def object_fields(dataset: Dataset) -> list[str]:
    """Label fields that hold several objects an image."""
    import fiftyone as fo

    schema = dataset.get_field_schema(ftype=fo.EmbeddedDocumentField)
    return [name for name, field in schema.items() if field.document_type in (fo.Detections, fo.Polylines)]


def vectors_by_rows(dataset: Dataset) -> dict[str | None, list[str]]:
    """What could be used as embeddings, and of what.

    Args:
        dataset: the dataset

    Returns:
        field names and brain keys of the images, or frames (None), and of the objects of each label field; without
        those that have none
    """
    found: dict[str | None, list[str]] = {None: [*named_vectors(dataset), *runs_with_vectors(dataset, None)]}
    for name in object_fields(dataset):
        root = container(dataset, name)
        found[name] = [*named_vectors(dataset, f"{root}."), *runs_with_vectors(dataset, name)]
    return {rows: vectors for rows, vectors in found.items() if vectors}
