"""PCoreSet: k-center in the space of predictions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..method import register
from ..pool import Picks, Pool, PoolVectors
from .kcenter import farthest_first


@register(
    "pcoreset",
    "PCoreSet: k-center on class probabilities; for predictions made from class texts",
    needs_predictions=True,
)
def pcoreset(pool: Pool, k: int) -> Picks:
    """Repeatedly picks the row whose probabilities are farthest from those of all kept rows (PCoreSet, 2025).

    Weights multiply the distances.

    Args:
        pool: the problem, with the probabilities of all classes
        k: rows to pick

    Returns:
        the picks

    References:
        PCoreSet: Effective Active Learning through Knowledge Distillation from Vision-Language Models. 2025.
    """
    assert pool.predictions is not None
    vectors = PoolVectors(np.nan_to_num(pool.predictions.all_classes("pcoreset")))
    vectors.Z = vectors.matrix  # distances between the probabilities themselves
    order, nearest = farthest_first(replace(pool, vectors=vectors), k)
    return Picks(order, details={"covering_radius": float(nearest.max())})
