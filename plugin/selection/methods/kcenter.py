"""k-center greedy: the farthest image next."""

from __future__ import annotations

import numpy as np

from ...vectors.neighbors import pairwise_distances
from ..method import register
from ..pool import Picks, Pool, check_limit

#: Rows times picks that k-center may compare.
MAX_COMPARISONS = 1.5e11
#: Candidates whose distances are updated after each pick; the others are updated block by block.
_CANDIDATES = 1024


@register("kcenter", "k-center greedy (core-set): smallest covering radius; picks outliers")
def kcenter(pool: Pool, k: int) -> Picks:
    """Repeatedly picks the row farthest from all kept rows (Sener and Savarese, ICLR 2018).

    Starts at the row nearest to the mean. Weights multiply the distances.

    Args:
        pool: the problem
        k: rows to pick

    Returns:
        the picks; the details give the covering radius

    References:
        Sener and Savarese: Active Learning for Convolutional Neural Networks: A Core-Set Approach. ICLR 2018.
    """
    check_limit(
        len(pool) * (k + len(pool.preselected)), MAX_COMPARISONS,
        f"k-center would compare {len(pool)} images with {k} picks, more than {MAX_COMPARISONS:.3g} pairs; lower the"
        f" budget to {int(MAX_COMPARISONS / len(pool))} or use herding",
    )  # fmt: skip
    order, nearest = farthest_first(pool, k)
    return Picks(order, details={"covering_radius": float(nearest.max())})


def farthest_first(pool: Pool, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Exact farthest-first traversal in blocks.

    Only the currently farthest candidates are updated pick by pick; a pick is made while it is at least as far as
    every row outside the candidates was, so the result is that of the plain greedy algorithm.

    Args:
        pool: the problem
        k: rows to pick, at most the free ones

    Returns:
        a tuple of (k,) int64 picks and (n,) float32 distances to the nearest kept row
    """
    Z, weights = pool.Z, pool.weights.astype(np.float32)
    nearest = np.full(len(pool), np.inf, dtype=np.float32)
    _update(nearest, Z, pool.preselected)
    picks: list[int] = []
    free = pool.candidates.copy()
    if not len(pool.preselected):
        mean = np.average(Z, axis=0, weights=pool.weights).astype(np.float32)
        picks.append(int(np.argmin(np.linalg.norm(Z - mean, axis=1))))
        free[picks] = False
        _update(nearest, Z, np.array(picks))
    while len(picks) < k:
        block = _block(Z, np.where(free, nearest * weights, -1), nearest, weights, k - len(picks))
        _update(nearest, Z, block)
        free[block] = False
        picks.extend(block.tolist())
        pool.report(len(picks) / k, f"{len(picks)} of {k} picked")
    return np.array(picks[:k], dtype=np.int64), nearest


def _block(Z: np.ndarray, far: np.ndarray, nearest: np.ndarray, weights: np.ndarray, k: int) -> np.ndarray:
    """The next picks that the farthest candidates alone determine; at least one."""
    order = np.argsort(-far, kind="stable")[: _CANDIDATES + 1]
    candidates = np.sort(order[:_CANDIDATES][far[order[:_CANDIDATES]] >= 0])
    outside = order[_CANDIDATES] if len(order) > _CANDIDATES else -1
    own = nearest[candidates].copy()
    own_weights = weights[candidates]
    open_ = np.ones(len(candidates), dtype=bool)
    picks: list[int] = []
    while len(picks) < min(k, len(candidates)):
        value = np.where(open_, own * own_weights, -1)
        best = int(np.argmax(value))
        row = candidates[best]
        # Outside the candidates distances have not been updated; an update can only lower them.
        if picks and outside >= 0 and (value[best], -row) < (far[outside], -outside):
            break
        picks.append(int(row))
        open_[best] = False
        np.minimum(own, pairwise_distances(Z[candidates], Z[row : row + 1])[:, 0], out=own)
    return np.array(picks)


def _update(nearest: np.ndarray, Z: np.ndarray, new: np.ndarray) -> None:
    """Lowers the distances to the nearest kept row for new ones."""
    for start in range(0, len(new), _CANDIDATES):
        batch = Z[new[start : start + _CANDIDATES]]
        for first in range(0, len(Z), 16_384):
            rows = slice(first, first + 16_384)
            nearest[rows] = np.minimum(nearest[rows], pairwise_distances(Z[rows], batch).min(axis=1))
