"""Singletons in a pool of bursts: whether they differ from what was photographed more than once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ....vectors.near_duplicates import NearDuplicates
from .settings import DEFAULTS, AutoSettings


class SingletonQuota(NamedTuple):
    """How single images that differ from bursts are represented.

    Attributes:
        represented: the share of them that are; the others wait, so that those are as frequent as in the pool
        value: what each of these counts, where a group counts its own
    """

    represented: float
    value: float


def singleton_quota(count: int, n_bursts: int, odds: float, value: float) -> SingletonQuota:
    """Gives single images together the share that they have of the pool.

    Args:
        count: how many there are
        n_bursts: all other groups
        odds: weight of the single images over that of the rows in all other groups
        value: what the other groups count in all
    """
    represented = min(count, max(1, round(odds * n_bursts)))
    return SingletonQuota(represented / count, odds * value / represented)


def singleton_auc(Z: np.ndarray, found: NearDuplicates, settings: AutoSettings = DEFAULTS) -> float | None:
    """Compares single images with bursts, as a classifier sees them and by their distance to the nearest bursts.

    Images on topic are alike whether they come once or in bursts. Where the two differ, many of the single images may
    be off-topic, or of kinds that nobody took twice; embeddings do not tell which.

    Args:
        Z: (n, d) float32 unit-norm embeddings
        found: the groups of near-duplicates
        settings: the constants

    Returns:
        the chance that a burst looks more like a burst than a single image does (AUC), if it is significantly above
        one half, else None
    """
    sizes = np.bincount(found.groups)
    central = np.flatnonzero(found.representatives())
    burst = sizes[found.groups[central]] > 1
    singles = np.sum(~burst)
    if min(len(burst) - singles, singles) < settings.min_judged or singles > settings.max_singleton_share * len(Z):
        return None
    from sklearn.metrics import roc_auc_score

    X = Z[central]
    auc = max(float(roc_auc_score(burst, score)) for score in (_classified(X, burst), _nearness(X, burst, settings)))
    error = np.sqrt((len(burst) + 1) / (12 * burst.sum() * singles))
    return auc if auc > 0.5 + settings.min_z * error else None


def _classified(X: np.ndarray, burst: np.ndarray) -> np.ndarray:
    """(m,) scores of a linear classifier for images that it was not trained on, higher = more like a burst."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    model = LogisticRegression(C=0.1, class_weight="balanced", max_iter=200)
    return cross_val_predict(model, X - X.mean(axis=0), burst, cv=5, method="decision_function")


def _nearness(X: np.ndarray, burst: np.ndarray, settings: AutoSettings) -> np.ndarray:
    """(m,) how near other bursts are, as a negative distance."""
    from sklearn.neighbors import NearestNeighbors

    known = np.flatnonzero(burst)[: settings.max_compared]  # rows come in a random order
    search = NearestNeighbors(n_neighbors=settings.nearest_bursts + 1, algorithm="brute").fit(X[known])
    distances = search.kneighbors(X)[0]
    itself = np.isin(np.arange(len(X)), known)
    return -np.where(itself, distances[:, 1:].mean(axis=1), distances[:, :-1].mean(axis=1))
