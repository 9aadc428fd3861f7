"""Importance resampling toward a target set."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import CoresetError
from ...vectors.neighbors import unit_rows
from ..method import register
from ..pool import Picks, Pool, top

#: Rows of the pool a classifier is trained on.
_TRAIN_ROWS = 20_000
_FOLDS = 4


@register(
    "target_match",
    "Matches a target set, e.g. images from deployment, by importance resampling",
    scored=True,
    columns={"score": "how much more likely the image is in the target than in this collection, with a draw by chance"},
)
def target_match(pool: Pool, k: int, target: Any, temperature: float = 1.0) -> Picks:
    """Draws rows without replacement in proportion to how much likelier they are in the target than in the pool.

    After DSIR (Xie et al., NeurIPS 2023), with the density ratio on embeddings from a cross-fitted logistic regression
    of target against pool. Log ratios are clipped to their 1 - 99 % range. Weights multiply the ratio.

    Args:
        pool: the problem
        k: rows to pick
        target: (m, d) embeddings of the target set, e.g. images from deployment, from the same model
        temperature (1.0): exponent of the ratio; 0 is random, large values keep the most target-like rows

    Returns:
        the picks; ``effective_size`` in the details is how many rows the ratios are spread over; a coreset much
        larger than that cannot match the target

    References:
        Xie, Santurkar, Ma and Liang: Data Selection for Language Models via Importance Resampling. NeurIPS 2023.
    """
    wanted, valid = unit_rows(target)
    if not valid.any() or wanted.shape[1] != pool.Z.shape[1]:
        raise CoresetError(
            f"target: {valid.sum()} usable rows of dimension {wanted.shape[1]}, the pool has dimension"
            f" {pool.Z.shape[1]}; embed both with one model"
        )
    ratio = _log_ratio(pool.Z, wanted[valid], pool)
    ratio = np.clip(ratio, *np.quantile(ratio, [0.01, 0.99])) * temperature + np.log(pool.weights)
    weight = np.exp(ratio - ratio.max())
    gumbel = -np.log(-np.log(pool.rng(1).random(len(pool)) + 1e-300) + 1e-300)
    return top(pool, k, ratio + gumbel, effective_size=float(weight.sum() ** 2 / (weight**2).sum()))


def _log_ratio(Z: np.ndarray, target: np.ndarray, pool: Pool) -> np.ndarray:
    """(n,) log density ratio; no row is scored by a model that was trained on it."""
    from sklearn.linear_model import LogisticRegression

    ratio = np.empty(len(Z))
    folds = min(_FOLDS, len(Z))
    for fold in range(folds):
        held_out = np.arange(fold, len(Z), folds)
        train = np.setdiff1d(np.arange(len(Z)), held_out)[:_TRAIN_ROWS] if folds > 1 else held_out
        X = np.concatenate([Z[train], target])
        y = np.r_[np.zeros(len(train)), np.ones(len(target))]
        model = LogisticRegression(class_weight="balanced", max_iter=200).fit(X, y)
        ratio[held_out] = model.decision_function(Z[held_out])
        pool.report((fold + 1) / folds, f"fold {fold + 1} of {folds}")
    return ratio
