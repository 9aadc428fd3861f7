"""What a model says of the rows of a round, and the light head, which is one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..dataset.boxes import StoredBoxes
from ..dataset.embeddings import Embeddings
from ..errors import CoresetError
from ..selection.head import fit_head
from ..selection.linear_head import LinearHead
from ..selection.predictions import Predictions
from ..selection.ridge import RidgeHead, fit_ridge
from .history import LIGHT_HEAD
from .standing import OFF_TOPIC, Standing


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
        boxes: what a detector predicts, if that is the model
        ridge: the light head of labels that are numbers, if that is the model
    """

    predictions: Predictions | None = None
    confidence: np.ndarray = field(default_factory=lambda: np.empty(0))
    entropies: np.ndarray | None = None
    head: LinearHead | None = None
    source: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    boxes: StoredBoxes | None = None
    ridge: RidgeHead | None = None

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


def _ridge(standing: Standing, found: Embeddings, usable: np.ndarray, seed: int) -> RoundModel:
    """The light head of labels that are numbers: it is as uncertain of a row as little of its variance is noise."""
    assert standing.numbers is not None
    try:
        head = fit_ridge(found.matrix, np.where(standing.labelled & usable, standing.numbers, np.nan), seed=seed)
    except CoresetError as error:
        return RoundModel(notes=[f"the batch is chosen by embeddings alone: {error}"])
    leverage = head.leverage(found.matrix)
    predictions = replace(Predictions.from_confidence(1 / (1 + leverage)), measured={"leverage": leverage})
    unknown = np.full(len(standing), np.nan)
    return RoundModel(predictions, unknown, None, None, LIGHT_HEAD, {"penalty": head.penalty}, ridge=head)


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
    if standing.boxes is not None:
        return RoundModel(notes=["labels are boxes, of which the light head learns nothing, so the batch is chosen by "
            "embeddings alone; name your detector's field as predictions= for more, or ask for objects, one label "
            "each, with dataset.to_patches(...)"])  # fmt: skip
    usable = found.valid if learned is None else found.valid & learned
    if standing.numbers is not None:
        return _ridge(standing, found, usable, seed)
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
        *head.judge(found.matrix),
        head,
        LIGHT_HEAD,
        {"C": head.C, "temperature": head.temperature},
        notes if lost else [],
    )
