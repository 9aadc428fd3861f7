"""Several annotators: which label to believe, and whether a second opinion or a new image helps more.

CROWDLAB (Goh, Tkachenko and Mueller, 2022) weighs annotators and model; ActiveLab (Goh and Mueller, 2023) turns that
into one scale for images with and without labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ..errors import CoresetError
from .predictions import Predictions, as_predictions
from .quotas import is_missing

#: Least weight, and least error of a guess, so that nothing is divided by 0.
_LEAST = 1e-6
#: Least probability that a logarithm is taken of.
_TINY = 1e-30
#: Temperatures that are tried, and how many more between the best one and its neighbours.
_TEMPERATURES, _FINER = (0.1, 0.2, 0.5, 0.8, 1, 2, 3, 5, 8), 4


@dataclass(frozen=True, eq=False)
class ActiveLab:
    """What annotators and a model say together.

    Attributes:
        score: (n,) float64: the lower, the more another label helps, be it the first of the row or a further one
        consensus: (n,) int64 class that is most probable, -1 in rows without a label
        quality: (n,) float64 probability that the consensus is right; NaN in rows without a label
        annotator_weights: (a,) float64, how far each annotator is better than a guess
        model_weight: the same of the model
        temperature: by which the model's logits were divided

    Examples:
        >>> found = fc.active_lab([[0, 0], [0, 1], [1, None]], [[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
        >>> found.consensus.tolist()
        [0, 0, 1]
    """

    score: np.ndarray
    consensus: np.ndarray
    quality: np.ndarray
    annotator_weights: np.ndarray
    model_weight: float
    temperature: float


def active_lab(annotations: Any, predictions: Any) -> ActiveLab:
    """Scores rows by how much another label would help.

    Args:
        annotations: (n, a) labels of a annotators: class numbers, or names among the classes of the predictions; None,
            NaN, negative or empty where an annotator gave none
        predictions: :class:`.Predictions` or an (n, C) array of probabilities, of a model that did not see the rows

    Returns:
        an :class:`ActiveLab`; ask next for the labels of the rows with the lowest scores

    Raises:
        CoresetError: if the shapes do not fit, or a label is no class

    Examples:
        >>> P = [[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.5, 0.5]]
        >>> found = active_lab([[0, 0], [0, 1], [1, None], [None, None]], P)
        >>> int(found.score.argmin())  # nobody has seen the last one, and the model does not know
        3
    """
    said = as_predictions(predictions)
    assert said is not None
    P = said.all_classes("ActiveLab").astype(np.float64)
    given = _class_numbers(annotations, said)
    n_classes = P.shape[1]
    counts = (given >= 0).sum(axis=1)
    labelled = counts > 0
    temperature, model_weight, weights = 1.0, 1.0, np.ones(given.shape[1])
    consensus, quality = np.full(len(P), -1), np.full(len(P), np.nan)
    if (counts > 1).any():
        votes = _votes(given[labelled], np.ones(given.shape[1]), n_classes)
        temperature = _temperature(votes / counts[labelled, None], P[labelled])
        P = _scaled(P, temperature)
        crowd = _Crowd(given[labelled], votes, P[labelled])
        consensus[labelled], quality[labelled] = crowd.consensus, crowd.quality
        model_weight, weights = crowd.model_weight, crowd.weights
    elif labelled.any():
        consensus[labelled] = given[labelled].max(axis=1)
        quality[labelled] = P[labelled, consensus[labelled]]
    trust = (given >= 0) @ weights + model_weight
    worth = np.where(labelled, quality, P.max(axis=1))
    guess = weights.mean()
    score = (worth * trust + guess / n_classes) / (trust + guess)
    return ActiveLab(score, consensus, quality, weights, model_weight, temperature)


class _Crowd:
    """Weights of annotators and model, and the consensus: first by majority, then by what the weights make of it.

    Args:
        given: (l, a) int64 class numbers, -1 where there is none; every row has one
        votes: (l, C) number of labels for each class
        P: (l, C) probabilities of the model
    """

    def __init__(self, given: np.ndarray, votes: np.ndarray, P: np.ndarray) -> None:
        self._given, self._votes, self._P = given, votes, P
        posterior = self._posterior(_majority(votes, P))
        self.consensus = posterior.argmax(axis=1)
        posterior = self._posterior(self.consensus)
        self.quality = posterior[np.arange(len(P)), self.consensus]

    def _posterior(self, consensus: np.ndarray) -> np.ndarray:
        """(l, C) probabilities of annotators and model together; their weights are set."""
        counts, n_classes = self._votes.sum(axis=1), self._P.shape[1]
        several = counts > 1
        sure = consensus[several]
        agreement = float((self._votes[np.arange(len(counts)), consensus] / counts)[several].mean())
        other = (1 - agreement) / (n_classes - 1)
        guess_error = max(float((sure != np.bincount(sure, minlength=n_classes).argmax()).mean()), _LEAST)
        self.weights = np.maximum(1 - (1 - self._agreements(counts)) / guess_error, _LEAST)
        model_error = float((self._P[several].argmax(axis=1) != sure).mean())
        self.model_weight = max(1 - model_error / guess_error, _LEAST) * float(np.sqrt(counts.mean()))
        trust = (self._given >= 0) @ self.weights
        weighed = _votes(self._given, self.weights, n_classes)
        total = self.model_weight * self._P + other * trust[:, None] + (agreement - other) * weighed
        return total / (trust + self.model_weight)[:, None]

    def _agreements(self, counts: np.ndarray) -> np.ndarray:
        """(a,) share of the other labels of an annotator's rows that agree with theirs; the mean if there are none."""
        has = self._given >= 0
        same = np.take_along_axis(self._votes, np.maximum(self._given, 0), axis=1) - 1
        others = np.where(has, counts[:, None] - 1, 0).sum(axis=0)
        with np.errstate(invalid="ignore"):
            shares = np.where(has, same, 0).sum(axis=0) / others
        return np.where(others > 0, shares, shares[others > 0].mean())


def _votes(given: np.ndarray, weights: np.ndarray, n_classes: int) -> np.ndarray:
    """(l, C) summed weights of the annotators who gave each class."""
    votes = np.zeros((len(given), n_classes))
    for labels, weight in zip(given.T, weights, strict=True):
        rows = np.flatnonzero(labels >= 0)
        votes[rows, labels[rows]] += weight
    return votes


def _majority(votes: np.ndarray, P: np.ndarray) -> np.ndarray:
    """(l,) class with most votes; of several the one that the model prefers, then the rarest."""
    tied = votes == votes.max(axis=1, keepdims=True)
    preferred = np.where(tied, P, -1)
    tied &= preferred == preferred.max(axis=1, keepdims=True)
    return np.where(tied, votes.sum(axis=0), np.inf).argmin(axis=1)


def _temperature(shares: np.ndarray, P: np.ndarray) -> float:
    """The temperature with which the model comes nearest to the shares of the labels."""
    with np.errstate(divide="ignore"):
        logs = np.log(P)

    def loss(temperature: float) -> float:
        powers = np.exp(logs / temperature)
        scaled = powers / powers.sum(axis=1, keepdims=True)
        return float(-(shares * np.log(np.maximum(scaled, _TINY))).sum(axis=1).mean())

    best = int(np.argmin([loss(temperature) for temperature in _TEMPERATURES]))
    around = _TEMPERATURES[max(best - 1, 0) : best + 2]
    finer = [np.linspace(low, high, _FINER + 1) for low, high in pairwise(around)]
    tried = np.unique(np.concatenate(finer))
    return float(tried[np.argmin([loss(temperature) for temperature in tried])])


def _scaled(P: np.ndarray, temperature: float) -> np.ndarray:
    logs = np.log(np.maximum(P, _TINY) / np.maximum(P, _TINY).sum(axis=1, keepdims=True))
    powers = np.exp(logs / temperature)
    return powers / powers.sum(axis=1, keepdims=True)


def _class_numbers(annotations: Any, said: Predictions) -> np.ndarray:
    """(n, a) int64, -1 where there is none."""
    table = np.array(annotations, dtype=object)
    if table.ndim != 2 or len(table) != len(said):
        raise CoresetError(
            f"annotations must hold a row for each of the {len(said)} predictions and a column for each annotator, got "
            f"shape {table.shape}"
        )
    number: dict[Any, int] = {name: place for place, name in enumerate(said.classes)}
    number |= {place: place for place in range(len(said.classes))}
    given = np.full(table.shape, -1, dtype=np.int64)
    for place, label in np.ndenumerate(table):
        if not is_missing(label):
            if label not in number:
                raise CoresetError(
                    f"annotator {place[1] + 1} labels row {place[0]} as {label!r}, which is none of the "
                    f"{len(said.classes)} classes of the predictions"
                )
            given[place] = number[label]
    return given
