"""Single images in a pool of bursts: which of them look off-topic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .duplicates import NearDuplicates

#: Single images are judged by the bursts only if there are this many of each, and if they differ beyond this z-value.
_LEAST_JUDGED = 20
_LEAST_Z = 3.0
#: Nearness to bursts is the mean distance to this many of them, among so many at most.
_NEAREST_BURSTS = 3
_MOST_BURSTS = 2000
#: The share of on-topic images among the singles is read off above these quantiles of the bursts' scores.
_QUANTILES = (0.25, 0.5, 0.75)
_LEAST_TRUST = 0.01
#: Share of the pool up to which single images are believed to be off-topic.
_MOST_OFF_TOPIC = 0.2


@dataclass(frozen=True)
class Singles:
    """What the bursts say of the single images.

    Attributes:
        trust: (g,) float64 in (0, 1] by which the share of a group is multiplied; 1 for bursts
        waits: (g,) bool, True in single images that come after one image of every burst
        auc: how well bursts can be told from single images; None if they do not differ
    """

    trust: np.ndarray
    waits: np.ndarray
    auc: float | None


def judge_singles(Z: np.ndarray, found: NearDuplicates, value: np.ndarray) -> Singles:
    """Trusts single images only so far that the coreset is expected to hold no more off-topic ones than the pool.

    What comes in bursts was photographed on purpose, so an image unlike all of it is probably off-topic. A cross-fitted
    classifier tells bursts from single images, or the distance to the nearest bursts does, if it does so better. Single
    images on topic would score like bursts, so the part of a score's density that bursts do not explain is the chance
    that an image there is off-topic (a local false discovery rate, Efron 2004). Where the two do not differ
    significantly, all are trusted. So they are if a large part of the pool would be off-topic: bursts that are pieces of
    a few long ones show few things, and then it is the bursts that are unlike the pool.

    Args:
        Z: (n, d) float32 unit-norm embeddings
        found: the groups of near-duplicates
        value: (g,) float64 what every group is worth, if it is trusted

    Returns:
        trust in every group
    """
    sizes = np.bincount(found.groups)
    trust, waits = np.ones(len(sizes)), np.zeros(len(sizes), dtype=bool)
    central = np.flatnonzero(found.representatives())
    burst = sizes[found.groups[central]] > 1
    if min(burst.sum(), (~burst).sum()) < _LEAST_JUDGED:
        return Singles(trust, waits, None)
    score, auc, z = _tell_apart(Z[central], burst)
    if z < _LEAST_Z:
        return Singles(trust, waits, None)
    single = found.groups[central[~burst]]
    chance = _off_topic(score, burst)
    allowed = chance.sum() / len(Z)
    if allowed > _MOST_OFF_TOPIC:
        return Singles(trust, waits, None)

    by_chance = np.lexsort((-score[~burst], chance))
    company = burst.sum() + np.arange(1, len(single) + 1)
    too_many = np.cumsum(chance[by_chance]) > allowed * company
    first = int(np.argmax(too_many)) if too_many.any() else len(single)
    waits[single[by_chance[first:]]] = True
    trust[single] = _trusted(chance, value[single], value[sizes > 1].sum(), allowed)
    return Singles(trust, waits, auc)


def _trusted(chance: np.ndarray, value: np.ndarray, bursts: float, allowed: float) -> np.ndarray:
    """(s,) the most trust with which the expected share of off-topic images stays within what is allowed.

    Trust is what is probably on topic, and a part, the same for all, of what is not.
    """
    on_topic = value * (1 - chance)
    spare = allowed * (bursts + on_topic.sum()) - (on_topic * chance).sum()
    if spare < 0:
        excess = (on_topic * chance).sum() - allowed * on_topic.sum()
        return np.maximum((1 - chance) * allowed * bursts / excess, _LEAST_TRUST)
    price = (value * chance**2).sum() - allowed * (value * chance).sum()
    part = min(1.0, spare / price) if price > 0 else 1.0
    return np.maximum(1 - chance + part * chance, _LEAST_TRUST)


def _tell_apart(X: np.ndarray, burst: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Scores, higher = more like a burst, their AUC, and its distance from chance in standard errors."""
    from sklearn.metrics import roc_auc_score

    error = np.sqrt((len(burst) + 1) / (12 * burst.sum() * (~burst).sum()))
    views = [(float(roc_auc_score(burst, score)), score) for score in (_classified(X, burst), _nearness(X, burst))]
    auc, score = max(views, key=lambda view: view[0])
    return score, auc, (auc - 0.5) / error


def _classified(X: np.ndarray, burst: np.ndarray) -> np.ndarray:
    """(m,) scores of a linear classifier for images that it was not trained on."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    model = LogisticRegression(C=0.1, class_weight="balanced", max_iter=200)
    return cross_val_predict(model, X - X.mean(axis=0), burst, cv=5, method="decision_function")


def _nearness(X: np.ndarray, burst: np.ndarray) -> np.ndarray:
    """(m,) how near other bursts are, as a negative distance."""
    from sklearn.neighbors import NearestNeighbors

    known = np.flatnonzero(burst)[:_MOST_BURSTS]  # rows come in a random order
    search = NearestNeighbors(n_neighbors=_NEAREST_BURSTS + 1, algorithm="brute").fit(X[known])
    distances = search.kneighbors(X)[0]
    itself = np.isin(np.arange(len(X)), known)
    return -np.where(itself, distances[:, 1:].mean(axis=1), distances[:, :-1].mean(axis=1))


def _off_topic(score: np.ndarray, burst: np.ndarray) -> np.ndarray:
    """(s,) chance that a single image is off-topic."""
    from sklearn.isotonic import IsotonicRegression

    bounds = np.quantile(score[burst], _QUANTILES)
    on_topic = min(1.0, *((score[~burst] >= bound).mean() / (score[burst] >= bound).mean() for bound in bounds))
    weights = np.where(burst, 0.5 / burst.sum(), 0.5 / (~burst).sum())
    like_bursts = IsotonicRegression(y_min=0.02, y_max=0.98).fit(score, burst, weights).predict(score[~burst])
    return np.clip(1 - on_topic * like_bursts / (1 - like_bursts), 0, 1)
