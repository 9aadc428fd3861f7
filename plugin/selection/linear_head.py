"""The light head as it was fit: what it says of rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import CoresetError
from ..vectors.matrix import blocks, normalized
from .predictions import Predictions

#: Samples and dropped share of the committee whose disagreement is measured (Gal, Islam and Ghahramani, ICML 2017).
_COMMITTEE, _COMMITTEE_DROPOUT = 10, 0.5
_BLOCK_ROWS = 16_384


@dataclass(frozen=True, eq=False)
class LinearHead:
    """A multinomial logistic regression on standardised embeddings.

    Attributes:
        classes: the C classes, as the labels named them
        weights: (C, q) float64, on the features
        bias: (C,) float64
        center: (d,) float64 mean of the unit-norm embeddings
        projection: (d,) float64 scale of every dimension, or (d, q) principal components of the scaled ones; features
            are ``z - center`` times it, of mean squared norm about 1
        C: the penalty's inverse
        temperature: by which logits are divided for honest confidences, found on ``out_of_fold``
        out_of_fold: (l, C) float64 logits of the labelled rows, each by a head that did not see the row
        labelled: (l,) int64 the labelled rows
        targets: (l,) int64 their classes
        off_topic: the class whose images show none of the others, or None

    Examples:
        >>> head = fc.fit_head(embeddings, labels)
        >>> head.classes
        ('blue', 'green', 'red')
    """

    classes: tuple[Any, ...]
    weights: np.ndarray
    bias: np.ndarray
    center: np.ndarray
    projection: np.ndarray
    C: float
    temperature: float
    out_of_fold: np.ndarray
    labelled: np.ndarray
    targets: np.ndarray
    off_topic: Any = None

    def features(self, embeddings: np.ndarray) -> np.ndarray:
        """(m, q) float32 features of (m, d) embeddings, NaN in unusable rows.

        Examples:
            >>> fc.fit_head(embeddings, labels).features(embeddings).shape[0]
            60
        """
        return transformed(embeddings, self.center, self.projection)

    def logits(self, embeddings: np.ndarray) -> np.ndarray:
        """(m, C) float32 logits of (m, d) embeddings, NaN in unusable rows; the off-topic class is among them.

        Examples:
            >>> fc.fit_head(embeddings, labels).logits(embeddings).shape
            (60, 3)
        """
        logits = transformed(embeddings, self.center, self._folded)
        logits += self.bias.astype(np.float32)
        return logits

    def probabilities(self, embeddings: np.ndarray, *, calibrated: bool = False) -> np.ndarray:
        """Class probabilities.

        Args:
            embeddings: (m, d) embeddings of the model that the head was fit on
            calibrated (False): whether to apply the temperature, which confidences that people see need; selection
                gained nothing by it

        Returns:
            (m, C) float32; without the off-topic class, if there is one, and then C - 1 columns

        Examples:
            >>> probabilities = fc.fit_head(embeddings, labels).probabilities(embeddings)
            >>> bool(np.allclose(probabilities.sum(axis=1), 1))
            True
        """
        probabilities = self.predictions(embeddings, calibrated=calibrated).probabilities
        assert probabilities is not None
        return probabilities

    def predictions(self, embeddings: np.ndarray, *, calibrated: bool = False) -> Predictions:
        """What the head says of rows: probabilities, and the energy as a measure of uncertainty.

        Args:
            embeddings: (m, d) embeddings of the model that the head was fit on
            calibrated (False): whether to apply the temperature

        Returns:
            the predictions, without the off-topic class

        Examples:
            >>> predictions = fc.fit_head(embeddings, labels).predictions(embeddings, calibrated=True)
            >>> predictions.classes
            ('blue', 'green', 'red')
        """
        return self._predictions(self.logits(embeddings), self.temperature if calibrated else 1.0)

    def calibrated_confidence(self, embeddings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How sure the head is, as people should be told.

        Args:
            embeddings: (m, d) embeddings

        Returns:
            (m,) float64 largest calibrated probability and (m,) float64 entropy over its largest possible value, NaN in
            unusable rows

        Examples:
            >>> confidence, entropy = fc.fit_head(embeddings, labels).calibrated_confidence(embeddings)
            >>> confidence.shape == entropy.shape == (60,)
            True
        """
        return self._confidence(self.logits(embeddings))

    def judge(self, embeddings: np.ndarray) -> tuple[Predictions, np.ndarray, np.ndarray]:
        """:meth:`predictions`, as they are, and :meth:`calibrated_confidence`, in one reading of the embeddings.

        Args:
            embeddings: (m, d) embeddings

        Returns:
            the predictions, (m,) float64 confidence and (m,) float64 entropy

        Examples:
            >>> predictions, confidence, entropy = fc.fit_head(embeddings, labels).judge(embeddings)
            >>> len(predictions) == len(confidence) == len(entropy) == 60
            True
        """
        logits = self.logits(embeddings)
        return self._predictions(logits), *self._confidence(logits)

    def boundary(self, embeddings: np.ndarray) -> np.ndarray:
        """How near rows lie to the boundary: the first ones that a small change of the weights turns.

        After LDM (Cho et al., ICLR 2024), which samples the weights; of a linear head this is the order that it gives.

        Args:
            embeddings: (m, d) embeddings

        Returns:
            (m,) float64, minus the margin of the logits over the length of the features; higher = nearer

        Examples:
            >>> nearness = fc.fit_head(embeddings, labels).boundary(embeddings)
            >>> nearness.argsort()[::-1][:5].shape  # the five rows that are nearest to the boundary
            (5,)
        """
        logits = self.logits(embeddings)[:, self._on_topic]
        length = np.sqrt(1 + np.square(self.features(embeddings), dtype=np.float64).sum(axis=1))
        return -_lead(logits) / length

    def off_topic_probability(self, embeddings: np.ndarray) -> np.ndarray:
        """(m,) float64 probability that a row shows none of the classes; 0 where no class is off-topic.

        Examples:
            >>> head = fc.fit_head(embeddings, labels, off_topic="blue")
            >>> head.off_topic_probability(embeddings).shape
            (60,)
        """
        if self.off_topic is None:
            return np.zeros(len(embeddings))
        return self._off_topic_share(self.logits(embeddings))

    def dropout_logits(
        self, embeddings: np.ndarray, dropout: float, n_samples: int, seed: int = 0
    ) -> Iterator[np.ndarray]:
        """Logits with parts of the features dropped at random, and the others scaled up to make good for it.

        Args:
            embeddings: (m, d) embeddings
            dropout: share of the features that is dropped
            n_samples: how often
            seed (0): the random seed

        Yields:
            (m, C) float32 logits

        Examples:
            >>> head = fc.fit_head(embeddings, labels)
            >>> [logits.shape for logits in head.dropout_logits(embeddings, dropout=0.5, n_samples=2)]
            [(60, 3), (60, 3)]
        """
        features, rng = self.features(embeddings), np.random.default_rng([seed, 0xD0])
        weights = self.weights.T.astype(np.float32) / np.float32(1 - dropout)
        for _ in range(n_samples):
            logits = np.empty((len(features), len(self.classes)), dtype=np.float32)
            for rows in blocks(len(features), _BLOCK_ROWS):
                block = features[rows]
                logits[rows] = (block * (rng.random(block.shape, dtype=np.float32) >= dropout)) @ weights
            yield logits + self.bias.astype(np.float32)

    def disagreement(self, embeddings: np.ndarray, seed: int = 0) -> np.ndarray:
        """How much heads with dropout disagree: mutual information, 10 samples, half of the features (BALD).

        Args:
            embeddings: (m, d) embeddings
            seed (0): the random seed

        Returns:
            (m,) float64, see :meth:`.Predictions.of_committee`

        Examples:
            >>> fc.fit_head(embeddings, labels).disagreement(embeddings).shape
            (60,)
        """
        members = [
            Predictions.from_logits(logits, missing=np.isnan(logits[:, 0]))
            for logits in self.dropout_logits(embeddings, _COMMITTEE_DROPOUT, _COMMITTEE, seed)
        ]
        return Predictions.of_committee(members).measured["disagreement"]

    def _predictions(self, logits: np.ndarray, temperature: float = 1.0) -> Predictions:
        found = Predictions.from_logits(
            logits[:, self._on_topic] / np.float32(temperature),
            tuple(str(name) for name, kept in zip(self.classes, self._on_topic, strict=True) if kept),
            missing=np.isnan(logits[:, 0]),  # minus infinity is that of a class without label
        )
        return found if self.off_topic is None else replace(found, off_topic=self._off_topic_share(logits))

    def _confidence(self, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from scipy.special import softmax, xlogy

        confidence, entropy = np.empty(len(logits)), np.empty(len(logits))
        for rows in blocks(len(logits), _BLOCK_ROWS):
            P = softmax(logits[rows][:, self._on_topic] / np.float32(self.temperature), axis=1)
            confidence[rows] = P.max(axis=1)
            entropy[rows] = np.maximum(-xlogy(P, P).sum(axis=1), 0) / np.log(max(P.shape[1], 2))
        return confidence, entropy

    def _off_topic_share(self, logits: np.ndarray) -> np.ndarray:
        from scipy.special import softmax

        share, place = np.empty(len(logits)), self.classes.index(self.off_topic)
        for rows in blocks(len(logits), _BLOCK_ROWS):
            share[rows] = softmax(logits[rows].astype(np.float64), axis=1)[:, place]
        return share

    @cached_property
    def _on_topic(self) -> np.ndarray:
        """(C,) bool, False for the off-topic class."""
        return np.array([name != self.off_topic for name in self.classes])

    @cached_property
    def _folded(self) -> np.ndarray:
        """(d, C): one product instead of two."""
        return (
            (self.projection[:, None] * self.weights.T)
            if self.projection.ndim == 1
            else self.projection @ self.weights.T
        )


def transformed(embeddings: np.ndarray, center: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Unit rows less a center, scaled by the dimension or projected.

    Args:
        embeddings: (m, d) embeddings
        center: (d,)
        by: (d,) scales, or (d, q)

    Returns:
        (m, q) float32, NaN in unusable rows

    Raises:
        CoresetError: if the dimension is another
    """
    from threadpoolctl import threadpool_limits

    if embeddings.shape[1] != len(center):
        raise CoresetError(
            f"the head was fit on embeddings of dimension {len(center)}, these have {embeddings.shape[1]}; "
            "embed both with one model"
        )
    by, shift = by.astype(np.float32), times(center, by).astype(np.float32)
    out = np.empty((len(embeddings), len(shift)), dtype=np.float32)
    with threadpool_limits(1), np.errstate(invalid="ignore"):  # sums in the same order for any number of threads
        for rows in blocks(len(embeddings), _BLOCK_ROWS):
            out[rows] = times(normalized(embeddings[rows].astype(np.float32)), by) - shift
    return out


def times(Z: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Scaled by the dimension, or projected."""
    return Z * by if by.ndim == 1 else Z @ by


def _lead(logits: np.ndarray) -> np.ndarray:
    """(m,) float64 by how much the largest logit leads the next; 0 where there is but one."""
    if logits.shape[1] == 1:
        return np.zeros(len(logits))
    lead = np.empty(len(logits))
    for rows in blocks(len(logits), _BLOCK_ROWS):
        second, first = np.partition(logits[rows].astype(np.float64), -2, axis=1)[:, -2:].T
        lead[rows] = first - second
    return lead
