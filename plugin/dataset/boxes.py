"""Boxes as FiftyOne stores them: what a detector predicts of whole images, and what people drew.

Rounds for detectors are experimental: no independent study fixes how the doubts about boxes add up to one of an image.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import CoresetError
from .predictions import require_most
from .rows import Rows

#: Score below which a box counts as none, and how many of the most uncertain boxes speak for an image.
_LEAST_SCORE, _TOP = 0.05, 5


@dataclass(frozen=True)
class StoredBoxes:
    """The boxes that a detector predicts, one list an image.

    Attributes:
        present: (n,) bool, images that were predicted, those in which nothing was found among them
        uncertainty: measure -> (n,) float64, NaN in images that were not predicted, see :func:`box_uncertainty`
        expected: (n,) float64 boxes expected in an image: its scores added up; NaN likewise
        is_blind: (n,) bool, predicted images in which no box was found
        source: the field
        notes: what a person should know about them, in sentences
    """

    present: np.ndarray
    uncertainty: dict[str, np.ndarray]
    expected: np.ndarray
    is_blind: np.ndarray
    source: str
    notes: list[str]


def holds_boxes(rows: Rows, field: Any) -> bool:
    """Whether something names a field of boxes in images."""
    import fiftyone as fo

    if not isinstance(field, str) or rows.patches_field is not None or not rows.has(field):
        return False
    return getattr(rows.dataset.get_field(rows.path(field)), "document_type", None) is fo.Detections


def read_boxes(rows: Rows, field: str) -> StoredBoxes:
    """Reads the boxes that a detector predicts.

    Args:
        rows: the images
        field: a ``Detections`` field whose boxes have confidences

    Returns:
        the boxes; those with a confidence below 0.05 count as none

    Raises:
        CoresetError: if boxes have no confidence from 0 to 1, or more than half of the images have no prediction
    """
    stored = rows.values(f"{field}.detections.confidence")
    present = np.array([scores is not None for scores in stored], dtype=bool)
    require_most(present, field, rows)
    scores = [[np.nan if score is None else float(score) for score in found or ()] for found in stored]
    wrong = sum(not 0 <= score <= 1 for found in scores for score in found)
    if wrong:
        raise CoresetError(
            f"predictions: {wrong:,} boxes in field '{field}' have no confidence from 0 to 1, so it does not say how "
            "sure the detector is; name the field that your detector wrote"
        )
    seen = [[score for score in found if score >= _LEAST_SCORE] for found in scores]
    notes = [f"'{field}' holds boxes: rounds for detectors are experimental"]
    if not present.all():
        notes.append(f"{(~present).sum():,} {rows.noun} have no prediction")
    return StoredBoxes(
        present,
        {name: np.where(present, value, np.nan) for name, value in box_uncertainty(seen).items()},
        np.where(present, [sum(found) for found in seen], np.nan),
        present & np.array([not found for found in seen], dtype=bool),
        field,
        notes,
    )


def box_uncertainty(scores: Sequence[Sequence[float]]) -> dict[str, np.ndarray]:
    """How uncertain a detector is of images: the binary entropies of their boxes' scores, in bits, as one number.

    Args:
        scores: the scores of every image's boxes, in [0, 1]

    Returns:
        measure -> (n,) float64, 0 in images without boxes: "top5" is a fifth of the sum of the five largest entropies,
        "max" the largest one, "mean" their mean, and "sum" their sum, which favours crowded images (PPAL; Yang et al.,
        CVPR 2024)

    Examples:
        >>> {name: value.tolist() for name, value in box_uncertainty([[0.5, 0.5], [1.0], []]).items()}
        {'top5': [0.4, 0.0, 0.0], 'max': [1.0, 0.0, 0.0], 'mean': [1.0, 0.0, 0.0], 'sum': [2.0, 0.0, 0.0]}
    """
    entropies = [np.sort(_entropy(np.asarray(found, dtype=np.float64)))[::-1] for found in scores]
    return {
        "top5": np.array([entropy[:_TOP].sum() / _TOP for entropy in entropies]),
        "max": np.array([entropy.max(initial=0) for entropy in entropies]),
        "mean": np.array([entropy.sum() / max(1, len(entropy)) for entropy in entropies]),
        "sum": np.array([entropy.sum() for entropy in entropies]),
    }


def read_drawn_boxes(rows: Rows, field: str) -> list[Counter[str] | None]:
    """The boxes that people drew.

    Args:
        rows: the images
        field: a ``Detections`` field

    Returns:
        for every image class -> boxes, empty where somebody looked and found none, None where nobody looked
    """
    stored = rows.values(f"{field}.detections.label")
    return [None if found is None else Counter(str(label) for label in found) for found in stored]


def _entropy(p: np.ndarray) -> np.ndarray:
    from scipy.special import xlogy

    return np.maximum(-(xlogy(p, p) + xlogy(1 - p, 1 - p)), 0) / np.log(2)
