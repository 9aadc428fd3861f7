"""Labels that look wrong: images far below their class that agree with another one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .inputs import blocks, unit_rows
from .scores import alignment

#: Fewer images of a class than this do not show its spread; the median spread of the others is taken.
_ENOUGH = 10
#: Ninth decile of the standard normal distribution.
_NORMAL_90 = 1.2816


@dataclass(frozen=True)
class SuspiciousLabels:
    """What the images say about their labels.

    Attributes:
        rows: (m,) int64 rows of the suspicious labels, most suspicious first
        suspicion: (n,) float64, how much better the image agrees with another class than with its own, each against
            what is typical of that class and in units of its spread; NaN in rows that were not checked
        suggested: (n,) int64 number of that other class in ``classes``, -1 in rows that were not checked
        classes: the class labels
    """

    rows: np.ndarray
    suspicion: np.ndarray
    suggested: np.ndarray
    classes: list[Any]

    def suggested_labels(self) -> list[Any]:
        """The suggested class of each suspicious row, in the order of ``rows``."""
        return [self.classes[number] for number in self.suggested[self.rows]]


def disagreement(
    images: np.ndarray, labels: np.ndarray, texts: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compares every image with its own class and the best other one.

    Cosines of different classes do not compare: some texts lie closer to all images than others. So each cosine is
    measured from the median of the images that carry that label, in units of their spread. The spread is that of the
    upper half, which wrong labels hardly reach.

    Args:
        images: (n, d) adapted image embeddings
        labels: (n,) int class numbers
        texts: (C, d) adapted text embeddings

    Returns:
        a tuple of

        -   own: (n,) float64 standardised alignment with the own class
        -   other: (n,) float64 the highest standardised alignment with another class that has images, -inf if none has
        -   suggested: (n,) int64 that class
    """
    cosine = alignment(images, labels, texts)
    typical, spread = _typical(cosine, labels, len(texts))
    own = (cosine - typical[labels]) / spread[labels]
    other = np.empty(len(images))
    suggested = np.empty(len(images), dtype=np.int64)
    texts = unit_rows(texts.astype(np.float32))
    for part in blocks(len(images), 8192):
        standardised = (unit_rows(images[part].astype(np.float32)) @ texts.T - typical) / spread
        row = np.arange(len(standardised))
        standardised[row, labels[part]] = -np.inf
        suggested[part] = standardised.argmax(axis=1)
        other[part] = standardised[row, suggested[part]]
    return own, other, suggested


def _typical(cosine: np.ndarray, labels: np.ndarray, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Median and spread of every class; a class without images is infinitely far, so it is never suggested."""
    typical = np.full(n_classes, np.inf)
    spread = np.full(n_classes, np.nan)
    for label in np.unique(labels):
        aligned = cosine[labels == label]
        typical[label] = np.median(aligned)
        if len(aligned) >= _ENOUGH:
            spread[label] = (np.quantile(aligned, 0.9) - typical[label]) / _NORMAL_90
    known = spread[spread > 0]
    return typical, np.where(spread > 0, spread, np.median(known) if len(known) else 1.0)


def is_suspicious(own: np.ndarray, other: np.ndarray, strictness: float) -> np.ndarray:
    """Far below the typical image of the own class, but not far below that of another."""
    return (own < -strictness) & (other >= -1) & (other > own)
