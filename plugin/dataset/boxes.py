"""Boxes as FiftyOne stores them: what a detector predicts of whole images, and what people drew.

Rounds for detectors are experimental: no independent study fixes how the doubts about boxes add up to one of an image.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

import numpy as np

from ..errors import CoresetError
from ..vectors.neighbors import unit_rows
from .predictions import require_most
from .rows import Rows

#: Score below which a box counts as none, and how many of the most uncertain boxes speak for an image.
_LEAST_SCORE, _TOP = 0.05, 5
#: Of PPAL (Yang et al., CVPR 2024): the share of the score in the quality of a box that is right, and how the weight of
#: a class grows with what its boxes lack.
_OF_SCORE, _BETA, _GROWTH = 0.6, 0.3, 0.2


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
        embeddings: the field of the boxes that holds their embeddings, if images are to be compared by them
    """

    present: np.ndarray
    uncertainty: dict[str, np.ndarray]
    expected: np.ndarray
    is_blind: np.ndarray
    source: str
    notes: list[str]
    embeddings: str | None = None


@dataclass(frozen=True)
class BoxVectors:
    """The boxes of some images, one row a box.

    Attributes:
        images: (m,) int64 image of every box
        classes: (m,) its class
        scores: (m,) float64 its confidence
        vectors: (m, d) float32 unit vectors
    """

    images: np.ndarray
    classes: np.ndarray
    scores: np.ndarray
    vectors: np.ndarray


def holds_boxes(rows: Rows, field: Any) -> bool:
    """Whether something names a field of boxes in images."""
    import fiftyone as fo

    if not isinstance(field, str) or rows.patches_field is not None or not rows.has(field):
        return False
    return getattr(rows.dataset.get_field(rows.path(field)), "document_type", None) is fo.Detections


def read_boxes(rows: Rows, field: str, eval_key: str | None = None, embeddings: str | None = None) -> StoredBoxes:
    """Reads the boxes that a detector predicts.

    Args:
        rows: the images
        field: a ``Detections`` field whose boxes have confidences
        eval_key (None): an evaluation of them on labelled images, by which classes that the detector finds badly weigh
            more, see :func:`class_weights`
        embeddings (None): the field of the boxes that :func:`read_box_vectors` will be asked for

    Returns:
        the boxes; those with a confidence below 0.05 count as none

    Raises:
        CoresetError: if boxes have no confidence from 0 to 1, more than half of the images have no prediction, or there
            is no such evaluation or field
    """
    if embeddings is not None and not Rows(rows.samples, field).has_values(embeddings):
        raise CoresetError(
            f"boxes in '{field}' have no field '{embeddings}'; compute_embeddings(dataset.to_patches('{field}'), "
            f"'{embeddings}') writes it"
        )
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
    is_seen = [[score >= _LEAST_SCORE for score in found] for found in scores]
    seen = [list(compress(found, which)) for found, which in zip(scores, is_seen, strict=True)]
    notes = [f"'{field}' holds boxes: rounds for detectors are experimental"]
    weights = None
    if eval_key is not None:
        by_class = _evaluated(rows, field, eval_key)
        labels = [found or () for found in rows.values(f"{field}.detections.label")]
        weights = [
            [by_class.get(label, 1.0) for label in compress(found, which)]
            for found, which in zip(labels, is_seen, strict=True)
        ]
        notes.append(f"classes weigh by how well evaluation '{eval_key}' found them: {_shown(by_class)}")
    if not present.all():
        notes.append(f"{(~present).sum():,} {rows.noun} have no prediction")
    return StoredBoxes(
        present,
        {name: np.where(present, value, np.nan) for name, value in box_uncertainty(seen, weights).items()},
        np.where(present, [sum(found) for found in seen], np.nan),
        present & np.array([not found for found in seen], dtype=bool),
        field,
        notes,
        embeddings,
    )


def read_box_vectors(rows: Rows, boxes: StoredBoxes, ids: Sequence[str]) -> BoxVectors:
    """Reads the embeddings of a detector's boxes.

    Args:
        rows: the images
        boxes: what :func:`read_boxes` gave, with ``embeddings``
        ids: the images to read them of

    Returns:
        their boxes with a confidence of 0.05 or more; images are numbered as in ``ids``

    Raises:
        CoresetError: if a box has no embedding
    """
    assert boxes.embeddings is not None
    found = Rows(rows.select(list(ids)).samples, boxes.source)
    place = {row_id: number for number, row_id in enumerate(ids)}
    pairs = zip(*found.samples.values(["id", found.path("id")]), strict=True)
    images = np.array([place[image] for image, own in pairs for _ in own or ()], dtype=np.int64)
    scores = np.array(found.values("confidence"), dtype=np.float64)
    seen = np.flatnonzero(scores >= _LEAST_SCORE)
    vectors, is_known = unit_rows(found.vectors(boxes.embeddings))
    missing = int((~is_known[seen]).sum())
    if missing:
        raise CoresetError(
            f"{missing:,} of {len(seen):,} boxes in '{boxes.source}' have no embedding in '{boxes.embeddings}'; "
            f"compute_embeddings(dataset.to_patches('{boxes.source}'), '{boxes.embeddings}') writes what is missing"
        )
    classes = np.array([str(label) for label in found.values("label")], dtype=object)
    return BoxVectors(images[seen], classes[seen], scores[seen], vectors[seen])


def box_uncertainty(
    scores: Sequence[Sequence[float]], weights: Sequence[Sequence[float]] | None = None
) -> dict[str, np.ndarray]:
    """How uncertain a detector is of images: the binary entropies of their boxes' scores, in bits, as one number.

    Args:
        scores: the scores of every image's boxes, in [0, 1]
        weights (None): of every box, in [0, 1]; all 1 by default

    Returns:
        measure -> (n,) float64, 0 in images without boxes: "top5" is a fifth of the sum of the five largest entropies,
        "max" the largest one, "mean" their mean, and "sum" their sum, which favours crowded images (PPAL; Yang et al.,
        CVPR 2024)

    Examples:
        >>> {name: value.tolist() for name, value in box_uncertainty([[0.5, 0.5], [1.0], []]).items()}
        {'top5': [0.4, 0.0, 0.0], 'max': [1.0, 0.0, 0.0], 'mean': [1.0, 0.0, 0.0], 'sum': [2.0, 0.0, 0.0]}
    """
    doubts = [_entropy(np.asarray(found, dtype=np.float64)) for found in scores]
    if weights is not None:
        doubts = [doubt * np.asarray(weight, dtype=np.float64) for doubt, weight in zip(doubts, weights, strict=True)]
    entropies = [np.sort(doubt)[::-1] for doubt in doubts]
    return {
        "top5": np.array([entropy[:_TOP].sum() / _TOP for entropy in entropies]),
        "max": np.array([entropy.max(initial=0) for entropy in entropies]),
        "mean": np.array([entropy.sum() / max(1, len(entropy)) for entropy in entropies]),
        "sum": np.array([entropy.sum() for entropy in entropies]),
    }


def class_weights(labels: Sequence[str], scores: Sequence[float], overlaps: Sequence[float]) -> dict[str, float]:
    """How much the doubts about boxes of a class count: most where the detector finds the class badly.

    The quality q of a class is the mean of ``score^0.6 IoU^0.4`` over its boxes that are right, 0 if none is. Its
    weight is ``1 + 0.06 log((e^(1/0.3) - 1)(1 - q) + 1)`` over the largest there can be, 1.2 (PPAL; Yang et al., CVPR
    2024, where the mean is taken in training).

    Args:
        labels: the class of every evaluated box
        scores: its score, in [0, 1]
        overlaps: its IoU with the box that it found; NaN if it found none

    Returns:
        class -> weight, from 1 / 1.2 to 1

    Examples:
        >>> weights = class_weights(["car", "bus"], [1.0, 0.5], [1.0, float("nan")])
        >>> {name: round(weight, 3) for name, weight in weights.items()}
        {'bus': 1.0, 'car': 0.833}
    """
    qualities: dict[str, list[float]] = {label: [] for label in sorted(set(labels))}
    for label, score, overlap in zip(labels, scores, overlaps, strict=True):
        if not np.isnan(overlap):
            qualities[label].append(score**_OF_SCORE * overlap ** (1 - _OF_SCORE))
    lacking = {label: 1 - (sum(found) / len(found) if found else 0.0) for label, found in qualities.items()}
    steep = np.expm1(1 / _BETA)
    return {
        label: float((1 + _BETA * _GROWTH * np.log1p(steep * lack)) / (1 + _GROWTH)) for label, lack in lacking.items()
    }


def _evaluated(rows: Rows, field: str, eval_key: str) -> dict[str, float]:
    """The weights of classes by an evaluation of the boxes in a field.

    Raises:
        CoresetError: if there is no such evaluation of that field, or no box has been judged
    """
    dataset = rows.dataset
    known = dataset.list_evaluations()
    if eval_key not in known:
        raise CoresetError(f"'{dataset.name}' has no evaluation '{eval_key}' (there are: {', '.join(known) or 'none'})")
    evaluated = getattr(dataset.get_evaluation_info(eval_key).config, "pred_field", None)
    if evaluated != field:
        raise CoresetError(f"evaluation '{eval_key}' judged '{evaluated}', not '{field}'; evaluate these predictions")
    path = f"{field}.detections"
    stored = (rows.values(f"{path}.{name}") for name in ("label", "confidence", eval_key, f"{eval_key}_iou"))
    boxes = [box for image in zip(*stored, strict=True) if image[0] for box in zip(*image, strict=True) if box[2]]
    if not boxes:
        raise CoresetError(f"evaluation '{eval_key}' has judged no box in '{field}'; evaluate labelled images")
    labels, scores, verdicts, overlaps = zip(*boxes, strict=True)
    right = [
        overlap if verdict == "tp" and overlap is not None else np.nan
        for verdict, overlap in zip(verdicts, overlaps, strict=True)
    ]
    return class_weights(labels, scores, right)


def _shown(weights: dict[str, float]) -> str:
    """The classes that weigh most, in words."""
    first = sorted(weights, key=lambda label: (-weights[label], label))[:3]
    return ", ".join(f"{label} {weights[label]:.2f}" for label in first)


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
