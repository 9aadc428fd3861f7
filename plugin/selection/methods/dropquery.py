"""DropQuery: rows whose predicted class changes when parts of the embedding are dropped."""

from __future__ import annotations

import numpy as np

from ...errors import CoresetError
from ...vectors.kmeans import central_rows
from ..method import register
from ..pool import Picks, Pool
from .random import random


@register(
    "dropquery",
    "DropQuery: spread over the images whose class changes when parts of their embedding are dropped",
    needs_head=True,
    nested=False,
)
def dropquery(pool: Pool, k: int, n_samples: int = 3, dropout: float = 0.75, shortlist: int = 25) -> Picks:
    """Clusters the rows about which dropout changes the prediction (Gupte et al., TMLR 2024).

    Candidates are rows whose class changes in more than half of the samples; the threshold goes down until there are
    ``shortlist * k`` of them. They are clustered into k, and the row nearest to each center is picked; what is missing
    is drawn at random. The clusters are those of the embeddings; the authors' code clusters the normalised features of
    the head. Weights act on the clusters and the draws.

    Args:
        pool: the problem, with a head
        k: rows to pick
        n_samples (3): predictions with dropout; an odd number
        dropout (0.75): share of the head's features that is dropped
        shortlist (25): candidates wanted for each pick

    Returns:
        the picks

    References:
        Gupte et al.: Revisiting Active Learning in the Era of Vision Foundation Models. TMLR 2024.
    """
    assert pool.head is not None
    if n_samples < 1 or n_samples % 2 == 0 or not 0 <= dropout < 1:
        raise CoresetError(
            f"n_samples must be odd and dropout a share in [0, 1), got n_samples={n_samples!r} and dropout={dropout!r}"
        )
    changes = np.zeros(len(pool), dtype=np.int64)
    plain = pool.head.logits(pool.X).argmax(axis=1)
    for logits in pool.head.dropout_logits(pool.X, dropout, n_samples, pool.seed):
        changes += logits.argmax(axis=1) != plain
    threshold = n_samples // 2
    while threshold > 0 and (pool.candidates & (changes > threshold)).sum() < shortlist * k:
        threshold -= 1
    candidates = np.flatnonzero(pool.candidates & (changes > threshold))
    chosen = candidates
    if len(candidates) > k:
        chosen = candidates[central_rows(pool.Z[candidates], k, seed=pool.seed, weights=pool.weights[candidates])]
    rest = random(pool, len(pool) - len(pool.preselected)).order
    order = np.concatenate([np.sort(chosen), rest[~np.isin(rest, chosen)]])[:k]
    return Picks(order, details={"unstable": len(candidates), "drawn_at_random": k - len(chosen)})
