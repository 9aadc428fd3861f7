"""Predictions of a model as FiftyOne stores them: logits, probabilities in the field for logits, bare confidences,
several fields, arrays. What cannot be used is counted, and refused if it is much.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CoresetError
from ..vectors.probabilities import FORMS, as_probabilities, multilabel_uncertainty, too_many_spoilt
from .rows import Rows

if TYPE_CHECKING:
    from fiftyone.core.dataset import Dataset

#: Share of the rows of an index of the logits that may carry another label.
_DISAGREE = 0.01

#: Labelled images from which on full agreement with a prediction is suspicious: a model that is right on nine of ten
#: agrees on all of 30 in four of a hundred cases.
_SUSPICIOUS = 30

_REMEDY = "store class probabilities with dataset.apply_model(model, label_field=..., store_logits=True)"


@dataclass(frozen=True)
class StoredPredictions:
    """Predictions, one a row.

    Attributes:
        confidence: (n,) float64 probability of the predicted class, 0 in rows whose prediction was filtered out for its
            low confidence, NaN in rows without a prediction. Of multi-label scores it is 1 - uncertainty
        labels: (n,) predicted classes, None where there is none
        form: what was stored: ``"logits"``, ``"probabilities"``, ``"log-probabilities"``, ``"confidence"`` or
            ``"scores"`` (multi-label)
        probabilities: (n, C) float32, NaN in rows without a prediction; None if only confidences are stored
        classes: names of the C classes; None without probabilities
        source: the names of the fields, or ``"array"``
        notes: what a person should know about them, in sentences
        energy: (n,) float64 ``-logsumexp`` of the logits, higher = more uncertain, NaN in rows without a prediction;
            None where logits are not stored as the model gave them
        members: (n, C) probabilities of each of several models, in the order of ``classes``
    """

    confidence: np.ndarray
    labels: np.ndarray
    form: str
    probabilities: np.ndarray | None
    classes: list[str] | None
    source: str
    notes: list[str] = field(default_factory=list)
    energy: np.ndarray | None = None
    members: tuple[np.ndarray, ...] = ()

    def __len__(self) -> int:
        return len(self.confidence)

    @property
    def valid(self) -> np.ndarray:
        """(n,) bool, the rows that have a prediction."""
        return np.isfinite(self.confidence)


def read_predictions(
    rows: Rows, predictions: Any, *, classes: Sequence[str] | None = None, form: str | None = None
) -> StoredPredictions:
    """Reads the predictions of the rows.

    Args:
        rows: the images
        predictions: a ``Classification`` or ``Classifications`` field, a list of such fields, whose probabilities are
            averaged, or an (n, C) array of logits or probabilities with one row an image
        classes (None): the names of the C classes, in the order of the logits; of a field, by default
            ``dataset.classes[field]``, ``dataset.default_classes``, or the label stored beside the largest logit
        form (None): ``"logits"``, ``"probabilities"`` or ``"log-probabilities"``, if they are not to be told apart

    Returns:
        the predictions

    Raises:
        CoresetError: if they cannot be read, do not fit together, or are missing or spoilt in too many rows

    Example::

        found = read_predictions(Rows(dataset), "predictions")
        print(found.form, found.valid.mean())
    """
    if form is not None and form not in FORMS:
        raise CoresetError(f"form must be one of {', '.join(FORMS)}, got {form!r}")
    if isinstance(predictions, str):
        return _read_field(rows, predictions, classes, form)
    if isinstance(predictions, Sequence) and predictions and all(isinstance(name, str) for name in predictions):
        return _mean_of([_read_field(rows, name, classes, form) for name in predictions])
    return _read_array(rows, predictions, classes, form)


def prediction_fields(dataset: Dataset, but: str | None = None) -> dict[str, str]:
    """Fields of images that can be read as predictions, and what they hold, in words.

    Args:
        dataset: the dataset
        but (None): a field that holds labels
    """
    import fiftyone as fo

    found = {}
    for name, declared in dataset.get_field_schema(ftype=fo.EmbeddedDocumentField).items():
        if name == but:
            continue
        if declared.document_type is fo.Detections:
            if dataset.exists(f"{name}.detections.confidence").limit(1).values("id"):
                found[name] = f"'{name}', boxes of a detector (experimental)"
        elif declared.document_type not in (fo.Classification, fo.Classifications):
            continue
        elif dataset.exists(f"{name}.logits").limit(1).values("id"):
            found[name] = f"'{name}', class probabilities"
        elif declared.document_type is fo.Classification and dataset.exists(f"{name}.confidence").limit(1).values("id"):
            found[name] = f"'{name}', confidence only"
    return found


def looks_like_ground_truth(found: StoredPredictions, labels: Sequence[str | None]) -> bool:
    """Whether predictions agree with all labels there are, and those are enough for it to be no accident.

    Args:
        found: the predictions
        labels: one label a row, None where there is none
    """
    both = [(mine, label) for mine, label in zip(found.labels, labels, strict=True) if mine and label]
    return len(both) >= _SUSPICIOUS and all(mine == label for mine, label in both)


def _read_field(rows: Rows, name: str, classes: Sequence[str] | None, form: str | None) -> StoredPredictions:
    import fiftyone as fo

    if not rows.has(name):
        raise CoresetError(f"predictions: field '{rows.path(name)}' does not exist on '{rows.dataset.name}'")
    declared = rows.dataset.get_field(rows.path(name))
    kind = getattr(declared, "document_type", None)
    if kind is fo.Classifications:
        return _read_scores(rows, name, classes)
    if kind is not fo.Classification:
        what = kind.__name__ if kind is not None else type(declared).__name__
        boxes = f"; for objects pass dataset.to_patches('{name}')" if kind in (fo.Detections, fo.Polylines) else ""
        raise CoresetError(
            f"predictions: field '{name}' holds {what}, but one prediction an image is needed, a Classification{boxes}"
        )
    ids = rows.values(f"{name}.id")
    has_document = np.array([row_id is not None for row_id in ids], dtype=bool)
    require_most(has_document, name, rows)
    labels = np.array(rows.values(f"{name}.label"), dtype=object)
    filtered = has_document & np.array([label is None for label in labels])
    logits = rows.values(f"{name}.logits")
    if any(value is not None for value in logits):
        found = _from_logits(rows, name, logits, labels, filtered, classes, form)
    else:
        found = _from_confidence(rows, name, labels, filtered)
    notes = [f"{(~has_document).sum():,} {rows.noun} have no prediction"] if not has_document.all() else []
    if filtered.any():
        notes.append(f"{filtered.sum():,} were filtered out for low confidence and count as most uncertain")
    return replace(found, notes=[*found.notes, *notes])


def _from_logits(
    rows: Rows,
    name: str,
    logits: list[Any],
    labels: np.ndarray,
    filtered: np.ndarray,
    classes: Sequence[str] | None,
    form: str | None,
) -> StoredPredictions:
    matrix, present = _stacked(rows, name, logits)
    found = as_probabilities(matrix, present, form)
    _require_sound(found.n_spoilt, int(present.sum()), f"field '{name}'", rows, found.form)
    probabilities, best = found.matrix, np.full(len(rows), -1)
    best[found.usable] = probabilities[found.usable].argmax(axis=1)
    names = _class_names(rows, name, classes, best, labels, matrix.shape[1])
    confidence, predicted = _best(probabilities, names)
    bare = filtered & ~found.usable
    probabilities[bare], confidence[bare] = 1 / matrix.shape[1], 0.0
    notes = _spoilt_note(found.n_spoilt, rows)
    lost = int((~present & np.array([label is not None for label in labels])).sum())
    notes += [f"{lost:,} have a label in '{name}' and no logits"] if lost else []
    energy = found.energy
    if energy is not None:
        energy[bare] = np.nanmax(energy)
    return StoredPredictions(confidence, predicted, found.form, probabilities, names, name, notes, energy)


def _from_confidence(rows: Rows, name: str, labels: np.ndarray, filtered: np.ndarray) -> StoredPredictions:
    stored = rows.values(f"{name}.confidence")
    confidence = np.array([np.nan if value is None else value for value in stored], dtype=np.float64)
    if np.isnan(confidence[~filtered]).all():
        raise CoresetError(
            f"predictions: field '{name}' has labels without confidence or logits, so it does not say how sure the "
            f"model is; {_REMEDY}"
        )
    labelled = np.array([label is not None for label in labels])
    sound = (confidence >= 0) & (confidence <= 1)
    n_spoilt = int((labelled & ~sound).sum())
    _require_sound(n_spoilt, int(labelled.sum()), f"field '{name}'", rows, "confidence")
    confidence = np.where(labelled & sound, confidence, np.nan)
    confidence[filtered] = 0.0
    note = f"'{name}' stores confidences only; for methods that need all classes, {_REMEDY}"
    return StoredPredictions(confidence, labels, "confidence", None, None, name, [note, *_spoilt_note(n_spoilt, rows)])


def _read_scores(rows: Rows, name: str, classes: Sequence[str] | None) -> StoredPredictions:
    """Multi-label scores: of a list of classifications the logits of the list."""
    logits = rows.values(f"{name}.logits")
    if all(value is None for value in logits):
        raise CoresetError(f"predictions: field '{name}' holds Classifications without logits; {_REMEDY}")
    matrix, present = _stacked(rows, name, logits)
    require_most(present, name, rows)
    finite = present & np.isfinite(matrix).all(axis=1)
    n_spoilt = int((present & ~finite).sum())
    _require_sound(n_spoilt, int(present.sum()), f"field '{name}'", rows, "scores")
    confidence = np.full(len(rows), np.nan)
    confidence[finite] = 1 - multilabel_uncertainty(matrix[finite])
    best = np.where(finite, np.nan_to_num(matrix, nan=-np.inf).argmax(axis=1), -1)
    names = _class_names(rows, name, classes, best, _nothing(len(rows)), matrix.shape[1])
    predicted = np.array([names[index] if index >= 0 else None for index in best], dtype=object)
    note = f"'{name}' holds scores of several labels an image"
    return StoredPredictions(confidence, predicted, "scores", None, None, name, [note, *_spoilt_note(n_spoilt, rows)])


def _read_array(rows: Rows, array: Any, classes: Sequence[str] | None, form: str | None) -> StoredPredictions:
    try:
        matrix = np.asarray(array, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise CoresetError(f"predictions: expected a field, a list of fields or an (n, C) array ({error})") from error
    if matrix.ndim != 2 or len(matrix) != len(rows) or matrix.shape[1] < 2:
        raise CoresetError(
            f"predictions: an array must hold one row for each of the {len(rows):,} {rows.noun} and one column for "
            f"each of at least two classes, got shape {matrix.shape}"
        )
    if classes is None or len(classes) != matrix.shape[1] or len(set(classes)) != len(classes):
        given = "no classes" if classes is None else f"{len(classes)} classes, {len(set(classes))} of them different"
        raise CoresetError(f"predictions: name the {matrix.shape[1]} columns of the array with classes=, got {given}")
    present = np.atleast_1d(~np.isnan(matrix).all(axis=1))
    require_most(present, "array", rows)
    found = as_probabilities(matrix, present, form)
    _require_sound(found.n_spoilt, int(present.sum()), "the array", rows, found.form)
    names, notes = list(map(str, classes)), _spoilt_note(found.n_spoilt, rows)
    return StoredPredictions(*_best(found.matrix, names), found.form, found.matrix, names, "array", notes, found.energy)


def _mean_of(several: list[StoredPredictions]) -> StoredPredictions:
    """The mean probabilities of several models, in rows that all of them predicted."""
    first = several[0]
    if len(several) == 1:
        return first
    matrices = []
    for found in several:
        if found.probabilities is None or found.classes is None:
            raise CoresetError(
                f"predictions: several fields are averaged by class, but '{found.source}' has no probabilities; "
                f"{_REMEDY}"
            )
        if first.classes is None or set(found.classes) != set(first.classes):
            raise CoresetError(
                f"predictions: '{first.source}' and '{found.source}' have different classes, so they cannot be averaged"
            )
        matrices.append(found.probabilities[:, [found.classes.index(name) for name in first.classes]])
    mean = np.stack(matrices).mean(axis=0)
    names = list(first.classes or [])
    source, notes = ", ".join(found.source for found in several), [note for found in several for note in found.notes]
    members = tuple(matrices)
    return StoredPredictions(*_best(mean, names), "probabilities", mean, names, source, notes, members=members)


def _best(probabilities: np.ndarray, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Confidence and predicted class of every row."""
    valid = np.isfinite(probabilities).all(axis=1)
    confidence, labels = np.full(len(probabilities), np.nan), _nothing(len(probabilities))
    confidence[valid] = probabilities[valid].max(axis=1)
    labels[valid] = np.array(names, dtype=object)[probabilities[valid].argmax(axis=1)]
    return confidence, labels


def _stacked(rows: Rows, name: str, values: list[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Vectors as (n, C) float32, NaN where there is none, and which there are."""
    present = np.array([value is not None for value in values], dtype=bool)
    sizes = Counter(np.size(value) for value in values if value is not None)
    ((size, _),) = sizes.most_common(1)
    if len(sizes) > 1:
        odd = next(row for row, value in enumerate(values) if value is not None and np.size(value) != size)
        raise CoresetError(
            f"predictions: '{rows.ids()[odd]}' has {np.size(values[odd])} logits in field '{name}', but most "
            f"{rows.noun} have {size}; predict all with one model"
        )
    if size < 2:
        raise CoresetError(
            f"predictions: field '{name}' has {size} logit an image, but at least two classes are needed"
        )
    matrix = np.full((len(values), size), np.nan, dtype=np.float32)
    for row in np.flatnonzero(present):
        matrix[row] = np.ravel(values[row])
    return matrix, present


def _class_names(
    rows: Rows, name: str, classes: Sequence[str] | None, best: np.ndarray, labels: np.ndarray, size: int
) -> list[str]:
    """Logits carry no names: those given, those of the dataset, else the label beside each index's maximum."""
    seen: dict[int, Counter[str]] = {}
    for index, label in zip(best.tolist(), labels, strict=True):
        if index >= 0 and label is not None:
            seen.setdefault(index, Counter())[label] += 1
    usual = {index: counts.most_common(1)[0][0] for index, counts in seen.items()}
    total = sum(counts.total() for counts in seen.values())

    def others(names: Mapping[int, str]) -> int:
        return total - sum(counts[names[index]] for index, counts in seen.items())

    if others(usual) > _DISAGREE * total:
        raise CoresetError(
            f"predictions: logits and labels of '{name}' disagree: in {others(usual):,} of {total:,} {rows.noun} the "
            "largest logit stands at the place of another label; predict again, or give the labels another field"
        )
    dataset = rows.dataset
    for known in (classes, dataset.classes.get(name), dataset.default_classes):
        if known and len(known) == size:
            names = dict(enumerate(map(str, known)))
            if others(names) > _DISAGREE * total:
                wrong = next(index for index, label in usual.items() if names[index] != label)
                raise CoresetError(
                    f"predictions: place {wrong} of the class names of '{name}' says '{names[wrong]}', but its labels "
                    f"say '{usual[wrong]}'; correct dataset.classes['{name}'], or give classes="
                )
            return list(names.values())
    if classes is not None:
        raise CoresetError(f"predictions: classes= names {len(classes)} classes, but '{name}' has {size} logits")
    return [usual.get(index, f"class {index}") for index in range(size)]


def _nothing(n: int) -> np.ndarray:
    return np.array([None] * n, dtype=object)


def require_most(present: np.ndarray, name: str, rows: Rows) -> None:
    """Refuses predictions of fewer than half of the rows.

    Raises:
        CoresetError: if they are
    """
    if not present.any():
        raise CoresetError(f"predictions: '{name}' is empty in all {len(present):,} {rows.noun}; predict them first")
    if present.mean() < 0.5:
        raise CoresetError(
            f"predictions: '{name}' is missing in {(~present).sum():,} of {len(present):,} {rows.noun}, over half; "
            "predict the others too"
        )


def _require_sound(n_spoilt: int, n_present: int, what: str, rows: Rows, form: str) -> None:
    if too_many_spoilt(n_spoilt, n_present):
        raise CoresetError(
            f"predictions: {what} is unusable in {n_spoilt:,} of {n_present:,} {rows.noun}: read as {form}, they hold "
            "NaN, infinite, negative or unnormalised numbers; predict again"
        )


def _spoilt_note(n_spoilt: int, rows: Rows) -> list[str]:
    return [f"{n_spoilt:,} {rows.noun} have numbers that cannot be used and are left out"] if n_spoilt else []
