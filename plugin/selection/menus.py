"""Less work for annotators: short menus of classes, and images that can be confirmed in bulk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import CoresetError
from .predictions import Predictions

#: Risk below which a predicted class is offered for confirmation in bulk.
_CONFIRM = 0.05


@dataclass(frozen=True)
class CandidateSets:
    """Sets of classes that hold the true one with a given probability.

    Attributes:
        least: a class is in the set if its probability is at least this
        alpha: share of rows whose true class may be missing
        n_calibration: labels it was calibrated on

    Examples:
        >>> sets = fc.candidate_sets(np.tile([0.7, 0.2, 0.1], (40, 1)), [0] * 36 + [1] * 4)
        >>> sets.n_calibration
        40
    """

    least: float
    alpha: float
    n_calibration: int

    def members(self, probabilities: np.ndarray) -> np.ndarray:
        """(n, C) bool, the classes in the set of every row; the most probable one always is.

        Examples:
            >>> sets = fc.candidate_sets(np.tile([0.7, 0.2, 0.1], (40, 1)), [0] * 36 + [1] * 4)
            >>> sets.members(np.array([[0.6, 0.3, 0.1]])).tolist()
            [[True, True, False]]
        """
        inside = probabilities >= self.least
        known = np.flatnonzero(~np.isnan(probabilities).any(axis=1))
        inside[known, probabilities[known].argmax(axis=1)] = True
        return inside

    def names(self, predictions: Predictions) -> list[list[str]]:
        """The classes in the set of every row, the most probable first; none in rows without a prediction.

        Examples:
            >>> sets = fc.candidate_sets(np.tile([0.7, 0.2, 0.1], (40, 1)), [0] * 36 + [1] * 4)
            >>> sets.names(fc.Predictions.from_probabilities([[0.6, 0.3, 0.1]], ["cat", "dog", "cow"]))
            [['cat', 'dog']]
        """
        P = predictions.all_classes("a menu")
        return [
            [predictions.classes[place] for place in np.argsort(-p, kind="stable") if inside[place]]
            for p, inside in zip(P, self.members(P), strict=True)
        ]


def candidate_sets(probabilities: Any, targets: Any, alpha: float = 0.05) -> CandidateSets:
    """Calibrates candidate sets on a random test set, by split conformal prediction (Vovk et al., 2005).

    A set holds the classes with ``p >= 1 - q``, q the ``ceil((m + 1)(1 - alpha))``-th smallest of ``1 - p_true``. Short
    menus make labels cheaper (after *Enhancing cost efficiency in active learning with candidate set query*, 2025).

    Args:
        probabilities: (m, C) class probabilities of a random sample of images that the model did not see; of images
            chosen actively the promise does not hold
        targets: (m,) int true class numbers
        alpha (0.05): share of images whose true class may be missing from the menu

    Returns:
        the sets

    Raises:
        CoresetError: if there are fewer than ``1 / alpha - 1`` labels

    Examples:
        >>> P = np.tile([0.7, 0.2, 0.1], (40, 1))
        >>> sets = candidate_sets(P, [0] * 36 + [1] * 4)
        >>> sets.members(np.array([[0.6, 0.3, 0.1]])).tolist()
        [[True, True, False]]
    """
    if not 0 < alpha < 1:
        raise CoresetError(f"alpha must lie between 0 and 1, got {alpha!r}")
    P, truth = np.asarray(probabilities, dtype=np.float64), np.asarray(targets)
    m = len(truth)
    if (
        P.ndim != 2
        or len(P) != m
        or truth.dtype.kind not in "iu"
        or (m and not 0 <= truth.min() <= truth.max() < P.shape[1])
    ):
        raise CoresetError(f"targets must be a class number for each of the {len(P)} rows of probabilities")
    place = int(np.ceil((m + 1) * (1 - alpha) - 1e-9))  # 0.95 * 20 is a little more than 19 in floating point
    if place > m:
        raise CoresetError(
            f"candidate sets that miss {alpha:.0%} need at least {int(np.ceil(1 / alpha - 1 - 1e-9))} labels of a "
            f"random test set, there are {m}; label more, or raise alpha"
        )
    # The place-th smallest of 1 - p is the place-th largest p.
    return CandidateSets(float(np.sort(P[np.arange(m), truth])[m - place]), alpha, m)


def piles(predictions: Predictions, risk: float = _CONFIRM) -> np.ndarray:
    """Sorts rows by what is left to do for a person (after Liao, Kar and Fidler, CVPR 2021).

    Nothing is labelled by it: every pile waits for a click, and a random sample of the first tells how often it is
    wrong.

    Args:
        predictions: of n rows, with calibrated confidences
        risk (0.05): of a wrong class, below which rows are offered for confirmation in bulk

    Returns:
        (n,) str: "confirm" where the predicted class is wrong with a probability below ``risk``, "skip" where the row
        is off-topic with a probability above ``1 - risk``, else "label"

    Examples:
        >>> sure = fc.Predictions.from_probabilities([[0.99, 0.01], [0.6, 0.4]])
        >>> fc.piles(sure, risk=0.05).tolist()
        ['confirm', 'label']
    """
    off_topic = np.zeros(len(predictions)) if predictions.off_topic is None else predictions.off_topic
    right = predictions.confidence * (1 - off_topic)
    found = np.full(len(predictions), "label", dtype="<U7")
    found[1 - right < risk] = "confirm"
    found[off_topic > 1 - risk] = "skip"
    return found
