"""Labels that look wrong: how many there are, and for every image how probable it is that its label is one of them.

What an image says about its true class comes from its cosines with the class texts. The label it was given is drawn
from that class's row of a table: mostly the class itself, sometimes another. Scale and offsets of the cosines and the
table are those under which the given labels are most probable (expectation maximisation, as for annotators in Dawid and
Skene, 1979, with the embedding in place of further annotators); Bayes' rule gives the rest. A table, and not just a
rate, since people confuse cats with dogs and not with ships.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....vectors.matrix import blocks, normalized
from .settings import DEFAULTS, ClipPoweredSettings

# The fit ends after so many rounds, or once the share of wrong labels moves less.
_ROUNDS = 100
_STEPS_A_ROUND = 5
_TOLERANCE = 2e-4
_BLOCK_ROWS = 8192


@dataclass(frozen=True)
class SuspiciousLabels:
    """What the images say about their labels.

    Attributes:
        rows: (m,) int64 rows of the suspicious labels, most suspicious first
        suspicion: (n,) float64 probability in [0, 1] that the label is wrong; NaN in rows that were not checked
        suggested: (n,) int64 number in ``classes`` of the other class that the image most agrees with, -1 in rows that
            were not checked
        classes: the class labels
        share_wrong: the estimated share of wrong labels

    Examples:
        >>> images = np.eye(2).repeat(30, axis=0) + 0.1
        >>> given = ["cat"] * 30 + ["dog"] * 29 + ["cat"]
        >>> fc.find_suspicious_labels(images, given, {"cat": [1, 0], "dog": [0, 1]}).rows.tolist()
        [59]
    """

    rows: np.ndarray
    suspicion: np.ndarray
    suggested: np.ndarray
    classes: list[Any]
    share_wrong: float

    def suggested_labels(self) -> list[Any]:
        """The suggested class of each suspicious row, in the order of ``rows``.

        Examples:
            >>> images = np.eye(2).repeat(30, axis=0) + 0.1
            >>> given = ["cat"] * 30 + ["dog"] * 29 + ["cat"]
            >>> fc.find_suspicious_labels(images, given, {"cat": [1, 0], "dog": [0, 1]}).suggested_labels()
            ['dog']
        """
        return [self.classes[number] for number in self.suggested[self.rows]]


@dataclass(frozen=True)
class NoiseModel:
    """How labels come about.

    Attributes:
        scale: factor between cosines and the log-odds of the true class
        offsets: (C,) what is added to them for each class
        table: (C, C) probability of each given label, in columns, for each true class, in rows
        rate: the share of wrong labels among those it was fitted to
    """

    scale: float
    offsets: np.ndarray
    table: np.ndarray
    rate: float

    def suspicion(self, images: np.ndarray, labels: np.ndarray, texts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How probable it is that labels are wrong.

        Args:
            images: (n, d) image embeddings
            labels: (n,) int class numbers
            texts: (C, d) text embeddings, two or more

        Returns:
            a tuple of the (n,) float64 probability that the label is wrong, and the (n,) int64 other class that is the
            most probable
        """
        wrong, suggested = np.empty(len(images)), np.empty(len(images), dtype=np.int64)
        for part, cosine in _cosines(images, texts):
            belief = _belief(self.scale * cosine + self.offsets, self.table.T[labels[part]])[0]
            row = np.arange(len(cosine))
            belief[row, labels[part]] = 0
            wrong[part] = belief.sum(axis=1).clip(0, 1)
            suggested[part] = belief.argmax(axis=1)
        return wrong, suggested


def fit_noise(
    images: np.ndarray, labels: np.ndarray, texts: np.ndarray, settings: ClipPoweredSettings = DEFAULTS
) -> NoiseModel:
    """Fits the noise model by maximum likelihood.

    Args:
        images: (n, d) image embeddings, in an order that says nothing
        labels: (n,) int class numbers
        texts: (C, d) text embeddings, two or more
        settings: the constants

    Returns:
        the model
    """
    from scipy.optimize import minimize
    from scipy.sparse import csr_array

    rows = np.arange(0, len(images), max(1, len(images) // settings.fitted_images))
    cosine = np.concatenate([part for _, part in _cosines(images[rows], texts)])
    given, n_classes = labels[rows], len(texts)
    by_label = csr_array((np.ones(len(rows)), (given, np.arange(len(rows)))), shape=(n_classes, len(rows)))
    parameters = np.r_[np.log(20.0), np.zeros(n_classes)]
    bounds = [(0.0, np.log(settings.max_scale)), *[(None, None)] * n_classes]
    rate = 0.05
    table = _confusions(rate, n_classes)
    for _ in range(_ROUNDS):
        likelihood = table.T[given]
        parameters = minimize(
            _loss, parameters, (cosine, likelihood, settings.offset_spread), jac=True, method="L-BFGS-B", bounds=bounds,
            options={"maxiter": _STEPS_A_ROUND},
        ).x  # fmt: skip
        belief = _belief(np.exp(parameters[0]) * cosine + parameters[1:], likelihood)[0]
        counts = (by_label @ belief).T
        before, rate = rate, 1 - float(np.trace(counts)) / len(rows)
        table = counts + settings.prior_images * _confusions(max(rate, settings.least_rate), n_classes)
        table /= table.sum(axis=1, keepdims=True)
        if abs(rate - before) < _TOLERANCE:
            break
    return NoiseModel(float(np.exp(parameters[0])), parameters[1:], table, rate)


def _confusions(rate: float, n_classes: int) -> np.ndarray:
    """The table of labels that are wrong at a rate, any other class being as probable."""
    table = np.full((n_classes, n_classes), rate / (n_classes - 1))
    np.fill_diagonal(table, 1 - rate)
    return table


def _loss(
    parameters: np.ndarray, cosine: np.ndarray, likelihood: np.ndarray, offset_spread: float
) -> tuple[float, np.ndarray]:
    """Mean negative log-probability of the labels and its gradient.

    Args:
        parameters: (1 + C,) log scale and offsets
        cosine: (n, C) cosines
        likelihood: (n, C) probability of the given label for each true class
        offset_spread: standard deviation of the offsets
    """
    scale, offsets = np.exp(parameters[0]), parameters[1:]
    belief, class_probability, given = _belief(scale * cosine + offsets, likelihood)
    gradient = class_probability - belief
    prior = offsets / offset_spread**2
    slope = np.r_[scale * (gradient * cosine).sum(), gradient.sum(axis=0) + prior] / len(cosine)
    return float(-np.log(given).mean() + prior @ offsets / (2 * len(cosine))), slope


def _belief(logits: np.ndarray, likelihood: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bayes' rule: (n, C) belief in each true class after the label is seen and before, (n,) chance of the label."""
    before = np.exp(logits - logits.max(axis=1, keepdims=True))
    before /= before.sum(axis=1, keepdims=True)
    joint = before * likelihood
    given = joint.sum(axis=1)
    return joint / given[:, None], before, given


def _cosines(images: np.ndarray, texts: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Blocks of float64 cosines with all classes."""
    texts = normalized(texts.astype(np.float64))
    for part in blocks(len(images), _BLOCK_ROWS):
        yield part, normalized(images[part].astype(np.float64)) @ texts.T
