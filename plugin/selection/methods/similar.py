"""What looks like given images: for classes that no model knows yet."""

from __future__ import annotations

import numpy as np

from ...errors import CoresetError
from ...vectors.matrix import blocks
from ..method import register
from ..pool import Picks, Pool, weighted_ranks

_BLOCK = 4096


@register(
    "similar",
    "What looks most like some of the images: for rare classes before a model knows them",
    scored=True,
    per_row=("exemplars",),
    columns={"score": "how similar it is to the nearest of the images that are given as examples"},
)
def similar(pool: Pool, k: int, exemplars: np.ndarray) -> Picks:
    """Ranks by the largest cosine similarity to an exemplar, which is active search without a model.

    Exemplars that may be picked come first, since they resemble themselves. Weights multiply the ranks. In bursts of
    near-copies ``deduplicate=True`` keeps a batch from being one subject.

    Args:
        pool: the problem
        k: rows to pick
        exemplars: (n,) numbers, above 0 in rows that show what is sought; on a dataset also a view, a tag, a boolean
            field or ids

    Returns:
        the picks, with the similarity as scores
    """
    shown = np.flatnonzero(exemplars > 0)
    if not len(shown):
        raise CoresetError("exemplars: no row that can be compared is above 0; mark at least one")
    score = np.empty(len(pool))
    for rows in blocks(len(pool), _BLOCK):
        score[rows] = (pool.Z[rows] @ pool.Z[shown].T).max(axis=1)
    order = np.argsort(-weighted_ranks(score, pool.weights), kind="stable")
    return Picks(order[pool.candidates[order]][:k], score)
