"""Which of several copies to keep: the sharpest, the largest, the newest, a labelled one, or by a field."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime

import numpy as np
from PIL import Image

from ..dataset.rows import Rows
from ..errors import CoresetError
from .exif import taken_at
from .field import image_files
from .framing import Framing
from .loading import batches, choose_workers

#: Sharpness is measured at one size, so that it is not one of pixels.
_FRAMING = Framing(256, 256, mode="squash", interpolation="bilinear")
_BATCH = 64


def preference(rows: Rows, prefer: str) -> Callable[[np.ndarray], np.ndarray] | None:
    """Parses a ``prefer`` argument.

    Args:
        rows: the images or objects
        prefer: ``"central"``, ``"sharpest"``, ``"largest"``, ``"newest"``, ``"labelled"``, or the name of a field of
            numbers, dates or booleans

    Returns:
        a function that gives numbers to some of the rows, the highest to the one to keep; None for ``"central"``

    Raises:
        CoresetError: if it is neither
    """
    if prefer == "central":
        return None
    measure = _MEASURES.get(prefer)
    if measure is None:
        if not isinstance(prefer, str) or not rows.has(prefer):
            raise CoresetError(
                f"prefer must be 'central', {', '.join(map(repr, _MEASURES))} or a field of the {rows.noun}, "
                f"got {prefer!r}"
            )
        return lambda places: _by_field(rows, prefer)[places]
    ids = np.array(rows.ids())

    def values(places: np.ndarray) -> np.ndarray:
        by_id = measure(rows, set(ids[places].tolist()))
        return np.array([by_id.get(row_id, np.nan) for row_id in ids[places].tolist()], dtype=float)

    return values


def _by_field(rows: Rows, field: str) -> np.ndarray:
    found = np.full(len(rows), np.nan)
    for place, value in enumerate(rows.values(field)):
        if isinstance(value, datetime):
            value = value.timestamp()
        elif isinstance(value, date):
            value = value.toordinal()
        if value is None:
            continue
        try:
            found[place] = float(value)
        except (TypeError, ValueError) as error:
            raise CoresetError(
                f"prefer: field '{rows.path(field)}' holds {type(value).__name__} values; name a field of numbers, "
                "dates or booleans"
            ) from error
    return found


def _sharpness(rows: Rows, ids: set[str]) -> dict[str, float]:
    """Variance of the Laplacian (Pech-Pacheco et al., ICPR 2000)."""
    files, _ = image_files(rows.as_patches(), ids)
    found = {}
    for batch in batches(files, _FRAMING, _BATCH, choose_workers(None, len(files), _BATCH, on_cpu=False)):
        for row_id, pixels in zip(batch.ids, batch.pixels, strict=True):
            grey = pixels.mean(axis=2)
            laplacian = 4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
            found[row_id] = float(laplacian.var())
    return found


def _size(rows: Rows, ids: set[str]) -> dict[str, float]:
    """Pixels of the image, or of the object's box."""
    found: dict[str, float] = {}
    for file in image_files(rows.as_patches(), ids)[0]:
        pixels = 0  # a file that cannot be read is none to keep
        with suppress(Exception), Image.open(file.path) as image:
            pixels = image.width * image.height
        shares = [1.0] * len(file.ids) if file.boxes is None else [box[2] * box[3] for box in file.boxes]
        found |= {row_id: pixels * share for row_id, share in zip(file.ids, shares, strict=True)}
    return found


def _age(rows: Rows, ids: set[str]) -> dict[str, float]:
    """When the picture was taken, by its EXIF data, else when the file was changed."""
    found: dict[str, float] = {}
    for file in image_files(rows.as_patches(), ids)[0]:
        taken = None
        with suppress(Exception), Image.open(file.path) as image:
            taken = taken_at(image)
        try:
            time = os.stat(file.path).st_mtime if taken is None else taken.timestamp()
        except OSError:
            continue
        found |= dict.fromkeys(file.ids, time)
    return found


def _labels(rows: Rows, ids: set[str]) -> dict[str, float]:
    """How many label fields of a sample hold something; objects are labels themselves."""
    import fiftyone as fo

    if rows.patches_field is not None:
        return dict.fromkeys(ids, 1.0)
    found = dict.fromkeys(ids, 0.0)
    chosen = rows.samples.select(list(ids))
    schema = rows.samples.get_field_schema(ftype=fo.EmbeddedDocumentField)
    fields = [name for name, field in schema.items() if issubclass(field.document_type, fo.Label)]
    row_ids = chosen.values("id")
    for name in fields:
        for row_id, value in zip(row_ids, chosen.values(name), strict=True):
            members = [getattr(value, plural) for plural in _LISTS if hasattr(value, plural)]
            found[row_id] += bool(members[0]) if members else value is not None
    return found


_LISTS = ("classifications", "detections", "polylines", "keypoints")
_MEASURES: dict[str, Callable[[Rows, set[str]], dict[str, float]]] = {
    "sharpest": _sharpness,
    "largest": _size,
    "newest": _age,
    "labelled": _labels,
}
