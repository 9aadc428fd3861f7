"""CCS: samples from the whole range of a difficulty score."""

from __future__ import annotations

import numpy as np

from ...errors import CoresetError
from ..method import register
from ..pool import Picks, Pool
from .prototypicality import center_distance
from .random import random


@register(
    "ccs",
    "CCS: drops the hardest images, then samples every level of difficulty",
    per_row=("difficulty",),
    columns={"score": "how difficult it is, or how far from the center of its class or cluster"},
)
def ccs(pool: Pool, k: int, difficulty: np.ndarray | None = None, drop_hardest: float = 0.1, n_bins: int = 50) -> Picks:
    """Samples equally from strata of a difficulty score (Zheng et al., ICLR 2023).

    The bins are of equal width; too small bins are taken whole, and the rest of their share goes to the others. The
    hardest rows, which are often mislabelled, come last. Weights act on the draws inside a bin.

    Args:
        pool: the problem
        k: rows to pick
        difficulty (None): (n,) difficulty, higher = harder, or "head" for that of the light head on the labels;
            distance to the cluster center by default
        drop_hardest (0.1): share of hardest rows put last, in [0, 1); the authors raise it with the prune rate, to 0.3
        n_bins (50): strata

    Returns:
        the picks, with the difficulty as scores

    References:
        Zheng, Liu, Lai and Prakash: Coverage-centric Coreset Selection for High Pruning Rates. ICLR 2023.
    """
    if not 0 <= drop_hardest < 1:
        raise CoresetError(f"drop_hardest must lie in [0, 1), got {drop_hardest}")
    score = center_distance(pool, 100) if difficulty is None else difficulty
    if not np.isfinite(score).all():
        raise CoresetError(f"difficulty: {(~np.isfinite(score)).sum()} of {len(score)} values are not finite")
    drawn = random(pool, len(pool)).order
    hardest = np.argsort(-score, kind="stable")[: int(drop_hardest * len(pool))]
    dropped = np.zeros(len(pool), dtype=bool)
    dropped[hardest] = True
    easy = ~dropped
    edges = np.linspace(score[easy].min(), score[easy].max(), n_bins + 1)[1:-1]
    bins = np.digitize(score, edges)
    sequence = np.concatenate([pool.preselected, drawn])
    sequence = sequence[easy[sequence]]
    by_bin = np.argsort(bins[sequence], kind="stable")
    counts = np.bincount(bins[sequence], minlength=n_bins)
    turn = np.empty(len(sequence), dtype=np.int64)
    turn[by_bin] = np.arange(len(sequence)) - np.repeat(np.cumsum(counts) - counts, counts)
    # One row from each bin in turn until it is empty: the equal shares of the paper for every budget at once.
    order = sequence[np.lexsort((counts[bins[sequence]], turn))]
    last = hardest[::-1]
    order = np.concatenate([order[pool.candidates[order]], last[pool.candidates[last]]])
    return Picks(order[:k], score, {"bins": int((counts > 0).sum()), "dropped": int(dropped.sum())})
