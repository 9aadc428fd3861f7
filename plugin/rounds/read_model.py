"""The model of a round, as ``predictions=`` names it: the light head, class texts, or a model of the user's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..dataset.boxes import StoredBoxes, holds_boxes, read_boxes
from ..dataset.embeddings import Embeddings
from ..dataset.predictions import StoredPredictions, looks_like_ground_truth, read_predictions
from ..errors import CoresetError
from ..selection.predictions import Predictions, uncertainty
from .model import RoundModel, light_head
from .standing import Standing
from .texts import TEXTS, text_model

#: The value of ``predictions`` that asks for the light head.
HEAD = "head"


def read_model(
    standing: Standing,
    found: Embeddings,
    predictions: Any,
    *,
    embeddings: Any,
    label_field: str,
    classes: Sequence[str] | Mapping[str, str] | None = None,
    form: str | None = None,
    eval_key: str | None = None,
    box_embeddings: str | None = None,
    seed: int = 0,
) -> RoundModel:
    """Fits the light head on the labels, or reads the predictions of the user's model.

    Args:
        standing: the rows and their labels
        found: their embeddings
        predictions: ``"head"``, ``"class texts"``, a field of boxes, or what :func:`.read_predictions` takes
        embeddings: where they come from
        label_field: where labels are, which cannot be predictions
        classes (None): names of the classes, see :func:`.read_predictions`
        form (None): see :func:`.read_predictions`
        eval_key (None): of a field of boxes, see :func:`.read_boxes`
        box_embeddings (None): likewise
        seed (0): the random seed

    Returns:
        the model; without predictions if fewer than two classes are labelled and the head was asked for

    Raises:
        CoresetError: if predictions cannot be used
    """
    is_detector = holds_boxes(standing.rows, predictions)
    for name, given, what in (
        ("eval_key", eval_key, "weighs the classes"),
        ("box_embeddings", box_embeddings, "compares the boxes"),
    ):
        if given is not None and not is_detector:
            raise CoresetError(f"{name}= {what} of a detector; name the field of its boxes as predictions=")
    if isinstance(predictions, str) and predictions == HEAD:
        return light_head(standing, found, seed)
    if isinstance(predictions, str) and predictions == TEXTS:
        return text_model(standing, found, embeddings, classes, label_field, seed)
    if standing.numbers is not None:
        raise CoresetError(
            f"labels in '{label_field}' are numbers, of which only the light head tells how uncertain it is; leave out "
            "predictions=, and record what your own model reaches with metrics="
        )
    named = [predictions] if isinstance(predictions, str) else predictions
    if isinstance(named, list | tuple) and label_field in named:
        raise CoresetError(
            f"'{label_field}' holds the labels, so it cannot hold the predictions too; name another field"
        )
    if is_detector:
        return _of_detector(read_boxes(standing.rows, predictions, eval_key, box_embeddings))
    names = None if classes is None else list(classes)
    stored = read_predictions(standing.rows, predictions, classes=names, form=form)
    return _of_user(standing, stored, label_field)


def as_predictions(stored: StoredPredictions) -> Predictions:
    """Stored predictions with what they tell of uncertainty: the energy of logits, the disagreement of several."""
    if stored.probabilities is None:
        return Predictions.from_confidence(stored.confidence, stored.labels.tolist())
    if stored.members:
        return Predictions.of_committee([
            Predictions.from_probabilities(member, stored.classes, missing=~stored.valid) for member in stored.members
        ])  # fmt: skip
    made = Predictions.from_probabilities(stored.probabilities, stored.classes, missing=~stored.valid)
    return made if stored.energy is None else replace(made, measured={"energy": stored.energy})


def _of_detector(boxes: StoredBoxes) -> RoundModel:
    """A detector: it says how uncertain it is of an image, and nothing that one class could be compared with."""
    n = len(boxes.present)
    predictions = replace(Predictions.from_confidence(1 - boxes.uncertainty["top5"]), measured=boxes.uncertainty)
    facts = {"form": "boxes"} | ({} if boxes.embeddings is None else {"box_embeddings": boxes.embeddings})
    return RoundModel(predictions, np.full(n, np.nan), None, None, boxes.source, facts, list(boxes.notes), boxes)


def _of_user(standing: Standing, stored: StoredPredictions, label_field: str) -> RoundModel:
    unlabelled = ~standing.has_label
    if unlabelled.any() and not (stored.valid & unlabelled).any():
        raise CoresetError(
            f"'{stored.source}' has predictions of labelled {standing.rows.noun} only; predict the unlabelled ones too"
        )
    notes = list(stored.notes)
    if looks_like_ground_truth(stored, standing.labels):
        notes.append(f"'{stored.source}' agrees with every label: it looks like ground truth, not like predictions")
    made = as_predictions(stored)
    labelled, predicted = {label for label in standing.labels if label is not None}, set(made.classes)
    for what, names in (
        (f"classes that '{stored.source}' never predicts", labelled - predicted),
        (f"predicted classes that no label in '{label_field}' has", predicted - labelled if labelled else set()),
    ):
        if names:
            shown = ", ".join(sorted(names)[:5]) + (", ..." if len(names) > 5 else "")
            notes.append(f"{what}: {shown}")
    entropies = None if made.probabilities is None else uncertainty(made, "entropy")
    return RoundModel(made, made.confidence, entropies, None, stored.source, {"form": stored.form}, notes)
