"""From the two scores to a set: the published objective, solved exactly.

Yang et al. (arXiv 2410.11215) optimise one parameter per image by gradient descent. Their loss is a sum over images
plus a penalty on the count, so images cross the decision threshold strictly in order of
``c = SAS / mean(SAS) + weight * SDS / mean(SDS)``: the k images with the largest c are the exact answer.
"""

from __future__ import annotations

import numpy as np

from ....errors import CoresetError

# Those of the authors' released code.
_LEARNING_RATE = 1e-3
_MOMENTUM = 0.9
_PENALTY = 2.0
_TOLERANCE = 5e-4
_MAX_STEPS = 100_000


def objective(alignment: np.ndarray, diversity: np.ndarray, diversity_weight: float) -> np.ndarray:
    """What an image adds to the published objective.

    Args:
        alignment: (n,) scaled SAS
        diversity: (n,) scaled SDS
        diversity_weight: the published lambda

    Returns:
        (n,) float64, higher = keep
    """
    return alignment / _mean(alignment) + diversity_weight * diversity / _mean(diversity)


def gradient_descent(gain: np.ndarray, k: int) -> np.ndarray:
    """The published straight-through SGD on one parameter per image, for comparison with the exact answer.

    Constants as in the authors' released code: start 0.01, slope 100, learning rate 0.001, momentum 0.9, penalty 2, at
    most 100,000 steps, stop within 0.05 % of the budget. Images left over by that tolerance are settled by the
    parameter's value, so the budget is exact.

    Args:
        gain: (n,) what each image adds to the objective
        k: number of images to keep

    Returns:
        (k,) int64 rows, largest parameter first

    Raises:
        CoresetError: if the descent does not reach the budget
    """
    n = len(gain)
    weight = np.full(n, 0.01)
    velocity = np.zeros(n)
    for _ in range(_MAX_STEPS):
        keep = 1 / (1 + np.exp(-np.clip(100 * weight, -500, 500)))
        surplus = int((keep > 0.5).sum()) - k
        if abs(surplus) <= max(_TOLERANCE * n, 0.5):
            return np.lexsort((-gain, -weight))[:k]
        gradient = 100 * keep * (1 - keep) / n * (_PENALTY * np.sign(surplus) - gain)
        velocity = _MOMENTUM * velocity + gradient
        weight -= _LEARNING_RATE * velocity
    raise CoresetError(
        f"optimizer='sgd' did not reach {k} of {n} images in {_MAX_STEPS:,} steps "
        f"({int((gain > _PENALTY).sum())} images outweigh its penalty); use optimizer='exact'"
    )


def _mean(score: np.ndarray) -> float:
    mean = float(score.mean())
    return mean if mean > 0 else 1.0
