"""Labels that look wrong: images far below their class that agree with another one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .inputs import blocks, unit_rows
from .scores import alignment


@dataclass(frozen=True)
class SuspiciousLabels:
    """What the images say about their labels.

    Attributes:
        rows: (m,) int64 rows of the suspicious labels, most suspicious first
        suspicion: (n,) float64, how much better the image agrees with another class than with its own, each against
            what is typical of that class; a cosine difference, NaN in rows that were not checked
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
    taken relative to the median of the images that carry that label.

    Args:
        images: (n, d) adapted image embeddings
        labels: (n,) int class numbers
        texts: (C, d) adapted text embeddings

    Returns:
        a tuple of

        -   own: (n,) float64 alignment with the own class, relative to its median
        -   other: (n,) float64 the highest relative alignment with another class that has images
        -   suggested: (n,) int64 that class
    """
    cosine = alignment(images, labels, texts)
    typical = np.full(len(texts), np.inf)  # a class without images is never suggested
    for label in np.unique(labels):
        typical[label] = np.median(cosine[labels == label])
    own = cosine - typical[labels]
    other = np.empty(len(images))
    suggested = np.empty(len(images), dtype=np.int64)
    texts = unit_rows(texts.astype(np.float32))
    for part in blocks(len(images), 8192):
        relative = unit_rows(images[part].astype(np.float32)) @ texts.T - typical
        row = np.arange(len(relative))
        relative[row, labels[part]] = -np.inf
        suggested[part] = relative.argmax(axis=1)
        other[part] = relative[row, suggested[part]]
    return own, other, suggested


def is_suspicious(own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Below the typical image of the own class, and at or above the typical image of another one."""
    return (own < 0) & (other >= 0)
