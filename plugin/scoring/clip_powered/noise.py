"""Labels that look wrong: how many there are, and for every image how probable it is that its label is one of them.

The given label is seen as the true class, or with a probability that the data reveal, as any other class at random.
What the image says about its true class comes from the cosines with the class texts. Scale and offsets of the cosines
and the share of wrong labels are those under which the given labels are most probable; Bayes' rule gives the rest. The
model is that of learning with a noise layer (e.g. Goldberger and Ben-Reuven, ICLR 2017) with one free rate, on a frozen
embedding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .inputs import blocks, unit_rows

#: Wrong labels are never taken to be rarer than this, so that on clean data flat contradictions still show.
_LEAST_RATE = 0.01
#: Standard deviation of the offsets of the classes before any label is seen.
_OFFSET_SPREAD = 3.0
#: Largest factor on cosines; that of CLIP is 100.
_MAX_SCALE = 300.0
#: Images that scale, offsets and rate are fitted to.
_SAMPLE = 10_000
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
        share_wrong: the share of wrong labels under which the given ones are most probable
    """

    rows: np.ndarray
    suspicion: np.ndarray
    suggested: np.ndarray
    classes: list[Any]
    share_wrong: float

    def suggested_labels(self) -> list[Any]:
        """The suggested class of each suspicious row, in the order of ``rows``."""
        return [self.classes[number] for number in self.suggested[self.rows]]


@dataclass(frozen=True)
class NoiseModel:
    """How labels come about.

    Attributes:
        scale: factor between cosines and the log-odds of the true class
        offsets: (C,) what is added to them for each class
        rate: probability that the label given is not the true class, any other being as probable
    """

    scale: float
    offsets: np.ndarray
    rate: float

    def suspicion(self, images: np.ndarray, labels: np.ndarray, texts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How probable it is that labels are wrong.

        Args:
            images: (n, d) adapted image embeddings
            labels: (n,) int class numbers
            texts: (C, d) adapted text embeddings, two or more

        Returns:
            a tuple of the (n,) float64 probability that the label is wrong, and the (n,) int64 other class that the
            image most agrees with
        """
        rate = max(self.rate, _LEAST_RATE)
        wrong, suggested = np.empty(len(images)), np.empty(len(images), dtype=np.int64)
        for part, cosine in _cosines(images, texts):
            probability = _softmax(self.scale * cosine + self.offsets)
            row = np.arange(len(cosine))
            own = probability[row, labels[part]].copy()
            probability[row, labels[part]] = -1
            suggested[part] = probability.argmax(axis=1)
            by_chance = (1 - own) * rate / (len(texts) - 1)
            wrong[part] = by_chance / (by_chance + own * (1 - rate))
        return wrong, suggested


def fit_noise(images: np.ndarray, labels: np.ndarray, texts: np.ndarray) -> NoiseModel:
    """Fits the noise model by maximum likelihood.

    Args:
        images: (n, d) adapted image embeddings, in an order that says nothing
        labels: (n,) int class numbers
        texts: (C, d) adapted text embeddings, two or more

    Returns:
        the model
    """
    from scipy.optimize import minimize

    rows = np.arange(0, len(images), max(1, len(images) // _SAMPLE))
    cosine = np.concatenate([part for _, part in _cosines(images[rows], texts)])
    given = labels[rows]
    start = np.r_[np.log(20.0), -2.0, np.zeros(len(texts))]
    bounds = [(0.0, np.log(_MAX_SCALE)), (-9.0, 3.0), *[(None, None)] * len(texts)]
    found = minimize(_loss, start, (cosine, given), jac=True, method="L-BFGS-B", bounds=bounds).x
    return NoiseModel(float(np.exp(found[0])), found[2:], float(_sigmoid(found[1])))


def _loss(parameters: np.ndarray, cosine: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean negative log-probability of the labels and its gradient; parameters are log scale, logit rate, offsets."""
    n, n_classes = cosine.shape
    scale, rate, offsets = np.exp(parameters[0]), _sigmoid(parameters[1]), parameters[2:]
    probability = _softmax(scale * cosine + offsets)
    row = np.arange(n)
    own = probability[row, labels]
    by_chance = rate / (n_classes - 1)
    given = own * (1 - rate) + (1 - own) * by_chance
    pull = (1 - rate - by_chance) * own / given  # of each label on its own logit
    gradient = probability * pull[:, None]
    gradient[row, labels] -= pull
    by_rate = (own - (1 - own) / (n_classes - 1)) / given
    prior = offsets / _OFFSET_SPREAD**2
    slope = np.r_[
        scale * (gradient * cosine).sum() / n,
        rate * (1 - rate) * by_rate.mean(),
        (gradient.sum(axis=0) + prior) / n,
    ]
    return float(-np.log(given).mean() + (prior @ offsets) / (2 * n)), slope


def _cosines(images: np.ndarray, texts: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Blocks of float64 cosines with all classes."""
    texts = unit_rows(texts.astype(np.float64))
    for part in blocks(len(images), _BLOCK_ROWS):
        yield part, unit_rows(images[part].astype(np.float64)) @ texts.T


def _softmax(logits: np.ndarray) -> np.ndarray:
    logits = np.exp(logits - logits.max(axis=1, keepdims=True))
    return logits / logits.sum(axis=1, keepdims=True)


def _sigmoid(value: float) -> float:
    return 1 / (1 + np.exp(-value))
