"""What a model and a row's neighbours say together."""

from __future__ import annotations

import numpy as np

from .predictions import Predictions

#: Neighbours that vote, and the cosine distance within which they do; as the authors' code has them.
FUSED_NEIGHBORS, _MAX_COSINE_DISTANCE = 16, 0.15


def fused_uncertainty(predictions: Predictions, neighbors: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """One less the confidence that the model and its predictions for the neighbours give together.

    After Info-Coevolution (Qin et al., ICML 2025). The model's confidence is ``(p1 - 1/C) / (1 - 1/C)``; neighbours
    within a cosine distance of 0.15 vote for their class by confidence times similarity, and their mean vote for the
    class with most is their confidence. With x >= y the two, the same class gives ``xy / (xy + (1 - x)(1 - y))``,
    another one ``x(1 - y) / (x(1 - y) + (1 - x)y)``; if y is at most 1/2, x stays.

    Args:
        predictions: n predictions whose classes are known
        neighbors: what ``pool.neighbors(16)`` returns

    Returns:
        (n,) float64 in [0, 1]; NaN in rows without a prediction
    """
    n_classes = max(2, len(predictions.classes))
    confidence = np.clip((predictions.confidence - 1 / n_classes) / (1 - 1 / n_classes), 0, 1)
    indices, distances = neighbors
    similarity = 1 - distances.astype(np.float64) ** 2 / 2
    near = (1 - similarity <= _MAX_COSINE_DISTANCE) & (predictions.predicted[indices] >= 0)
    votes = np.where(near, similarity * np.nan_to_num(confidence)[indices], 0)
    theirs, says = _vote(votes, predictions.predicted[indices], near)
    fused = fuse(confidence, theirs, says == predictions.predicted)
    return np.where(predictions.present, 1 - fused, np.nan)


def fuse(mine: np.ndarray, theirs: np.ndarray, same: np.ndarray) -> np.ndarray:
    """The confidence that two opinions give together.

    Args:
        mine: (n,) confidences in [0, 1]
        theirs: (n,) confidences in [0, 1]
        same: (n,) bool, whether both speak of the same class

    Returns:
        (n,) float64
    """
    x, y = np.maximum(mine, theirs), np.minimum(mine, theirs)
    y = np.where(same, y, 1 - y)
    together = x * y / np.maximum(x * y + (1 - x) * (1 - y), np.finfo(np.float64).tiny)
    return np.where(np.minimum(mine, theirs) > 0.5, together, x)


def _vote(votes: np.ndarray, classes: np.ndarray, near: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean vote for the class with most votes among the near neighbours, and the class."""
    best, says = np.zeros(len(votes)), np.full(len(votes), -1)
    for column in range(votes.shape[1]):
        total = np.where(classes == classes[:, column : column + 1], votes, 0).sum(axis=1)
        better = total > best
        best, says = np.where(better, total, best), np.where(better, classes[:, column], says)
    return best / np.maximum(near.sum(axis=1), 1), says
