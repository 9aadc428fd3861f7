"""What a model says of the rows of a round: the light head, or predictions of the user's model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..dataset.embeddings import Embeddings
from ..dataset.predictions import StoredPredictions, looks_like_ground_truth, read_predictions
from ..errors import CoresetError
from ..selection.head import LinearHead, fit_head
from ..selection.predictions import Predictions, uncertainty
from .history import LIGHT_HEAD
from .standing import OFF_TOPIC, Standing

#: The value of ``predictions`` that asks for the light head.
HEAD = "head"


@dataclass(frozen=True)
class RoundModel:
    """A model as one round sees it.

    Attributes:
        predictions: what it says of every row; None if it is not known
        confidence: (n,) confidences as people see them, calibrated if they are the head's; NaN where not known
        entropies: (n,) normalised entropies, likewise; None where only confidences are known
        head: the light head, if that is the model
        source: ``"light head"``, the fields, or ``"array"``; None without a model
        facts: how it was read or fitted
        notes: what a person should know, in sentences
    """

    predictions: Predictions | None = None
    confidence: np.ndarray = field(default_factory=lambda: np.empty(0))
    entropies: np.ndarray | None = None
    head: LinearHead | None = None
    source: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def labels(self) -> np.ndarray:
        """(n,) predicted classes, None where there is none."""
        assert self.predictions is not None
        names = np.array([*self.predictions.classes, None], dtype=object)
        return names[self.predictions.predicted]

    def mean_confidence(self, rows: np.ndarray) -> float | None:
        """The mean confidence in some rows, as people are told it."""
        return _mean(self.confidence, rows) if self.predictions is not None else None

    def entropy(self, rows: np.ndarray) -> float | None:
        """Mean normalised entropy in some rows; None where only confidences are known."""
        return None if self.entropies is None else _mean(self.entropies, rows)

    def documents(self, ids: np.ndarray, matrix: np.ndarray) -> dict[str, Any]:
        """The light head's predictions as FiftyOne stores them, with the logarithms of the probabilities as logits.

        Args:
            ids: (n,) row ids
            matrix: (n, d) embeddings

        Returns:
            a mapping from row id to ``Classification``; rows without a prediction are left out
        """
        import fiftyone as fo

        assert self.head is not None
        said = self.head.probabilities(matrix, calibrated=True)
        logits = np.log(np.maximum(said, np.finfo(np.float32).tiny))
        names, confidence = self.labels(), said.max(axis=1).tolist()
        return {
            ids[row]: fo.Classification(label=names[row], confidence=confidence[row], logits=logits[row])
            for row in np.flatnonzero(np.isfinite(said[:, 0])).tolist()
        }


def read_model(
    standing: Standing,
    found: Embeddings,
    predictions: Any,
    *,
    label_field: str,
    classes: Sequence[str] | None = None,
    form: str | None = None,
    seed: int = 0,
) -> RoundModel:
    """Fits the light head on the labels, or reads the predictions of the user's model.

    Args:
        standing: the rows and their labels
        found: their embeddings
        predictions: ``"head"``, or what :func:`.read_predictions` takes
        label_field: where labels are, which cannot be predictions
        classes (None): names of the classes, see :func:`.read_predictions`
        form (None): see :func:`.read_predictions`
        seed (0): the random seed

    Returns:
        the model; without predictions if fewer than two classes are labelled and the head was asked for

    Raises:
        CoresetError: if predictions cannot be used
    """
    if isinstance(predictions, str) and predictions == HEAD:
        return light_head(standing, found, seed)
    named = [predictions] if isinstance(predictions, str) else predictions
    if isinstance(named, list | tuple) and label_field in named:
        raise CoresetError(
            f"'{label_field}' holds the labels, so it cannot hold the predictions too; name another field"
        )
    stored = read_predictions(standing.rows, predictions, classes=classes, form=form)
    return _of_user(standing, stored, label_field)


def _mean(values: np.ndarray, rows: np.ndarray) -> float | None:
    """The mean over the rows of which a value is known."""
    known = values[rows & np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def light_head(standing: Standing, found: Embeddings, seed: int, learned: np.ndarray | None = None) -> RoundModel:
    """Fits the light head.

    Args:
        standing: the rows and their labels
        found: their embeddings
        seed: the random seed
        learned (None): (n,) bool, the rows to learn from; by default all that have a label and an embedding

    Returns:
        the model; without predictions if fewer than two classes are labelled
    """
    usable = found.valid if learned is None else found.valid & learned
    labels = standing.known(usable)
    seen = len({label for label in labels if label is not None})
    if seen < 2:
        few = "no label" if seen == 0 else "labels of one class only"
        note = f"there is {few}, so the batch is chosen by embeddings alone; label at least two classes for more"
        return RoundModel(notes=[note.replace("there is labels", "there are labels")])
    labels = [OFF_TOPIC if off else label for label, off in zip(labels, standing.off_topic & usable, strict=True)]
    lost = int((standing.labelled & ~found.valid).sum())
    notes = [f"{lost:,} labelled {standing.rows.noun} have no embedding, and the light head does not see them"]
    head = fit_head(found.matrix, labels, seed=seed, off_topic=OFF_TOPIC)
    return RoundModel(
        head.predictions(found.matrix),
        *head.calibrated_confidence(found.matrix),
        head,
        LIGHT_HEAD,
        {"C": head.C, "temperature": head.temperature},
        notes if lost else [],
    )


def _as_predictions(stored: StoredPredictions) -> Predictions:
    """Stored predictions with what they tell of uncertainty: the energy of logits, the disagreement of several."""
    if stored.probabilities is None:
        return Predictions.from_confidence(stored.confidence, stored.labels.tolist())
    if stored.members:
        return Predictions.of_committee([
            Predictions.from_probabilities(member, stored.classes, missing=~stored.valid) for member in stored.members
        ])  # fmt: skip
    made = Predictions.from_probabilities(stored.probabilities, stored.classes, missing=~stored.valid)
    return made if stored.energy is None else replace(made, measured={"energy": stored.energy})


def _of_user(standing: Standing, stored: StoredPredictions, label_field: str) -> RoundModel:
    unlabelled = ~standing.has_label
    if unlabelled.any() and not (stored.valid & unlabelled).any():
        raise CoresetError(
            f"'{stored.source}' has predictions of labelled {standing.rows.noun} only; predict the unlabelled ones too"
        )
    notes = list(stored.notes)
    if looks_like_ground_truth(stored, standing.labels):
        notes.append(f"'{stored.source}' agrees with every label: it looks like ground truth, not like predictions")
    made = _as_predictions(stored)
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
