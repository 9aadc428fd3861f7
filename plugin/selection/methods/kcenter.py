"""k-center greedy: the farthest image next."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from ...vectors.matrix import blocks
from ..method import register
from ..pool import Picks, Pool, check_limit

#: Rows times picks that k-center may compare.
MAX_COMPARISONS = 1.5e11
#: Candidates whose distances are updated after each pick; the others are updated block by block.
_CANDIDATES = 1024
#: Rows whose distances are updated at a time: the product stays in a processor's cache.
_BLOCK_ROWS = 1024


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
    from threadpoolctl import threadpool_limits

    weights = pool.weights.astype(np.float32)
    unit = pool.Z
    distances = _NearestKept(unit, np.einsum("ij,ij->i", unit, unit), np.full(len(pool), np.inf, dtype=np.float32))
    picks: list[int] = []
    free = pool.candidates.copy()
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(pool.num_workers or os.cpu_count()) as threads:
        distances.add(pool.preselected, threads)
        if not len(pool.preselected):
            mean = (weights / weights.sum()) @ unit
            picks.append(int(np.argmin(distances.norms - 2 * (unit @ mean))))
            free[picks] = False
            distances.add(np.array(picks), threads)
        while len(picks) < k:
            far = np.where(free, distances.nearest * weights, -1)
            block = _block(distances, far, weights, k - len(picks))
            distances.add(block, threads)
            free[block] = False
            picks.extend(block.tolist())
            pool.report(len(picks) / k, f"{len(picks)} of {k} picked")
    return np.array(picks[:k], dtype=np.int64), distances.nearest


def _block(distances: _NearestKept, far: np.ndarray, weights: np.ndarray, k: int) -> np.ndarray:
    """The next picks that the farthest candidates alone determine; at least one."""
    order = np.argsort(-far, kind="stable")[: _CANDIDATES + 1]
    candidates = np.sort(order[:_CANDIDATES][far[order[:_CANDIDATES]] >= 0])
    outside = order[_CANDIDATES] if len(order) > _CANDIDATES else -1
    own = distances.part(candidates)
    own_weights = weights[candidates]
    open_ = np.ones(len(candidates), dtype=bool)
    picks: list[int] = []
    while len(picks) < min(k, len(candidates)):
        value = np.where(open_, own.nearest * own_weights, -1)
        best = int(np.argmax(value))
        row = candidates[best]
        # Outside the candidates distances have not been updated; an update can only lower them.
        if picks and outside >= 0 and (value[best], -row) < (far[outside], -outside):
            break
        picks.append(int(row))
        open_[best] = False
        own.lower(slice(None), own.Z[best : best + 1], own.norms[best : best + 1])
    return np.array(picks)


@dataclass(frozen=True)
class _NearestKept:
    """Rows, and how far each is from its nearest kept one.

    Attributes:
        Z: (n, d) float32 unit rows
        norms: (n,) float32 their squared lengths, to rounding
        nearest: (n,) float32 distances, inf while nothing is kept
    """

    Z: np.ndarray
    norms: np.ndarray
    nearest: np.ndarray

    def part(self, rows: np.ndarray) -> _NearestKept:
        """A copy of some of the rows."""
        return _NearestKept(self.Z[rows], self.norms[rows], self.nearest[rows])

    def lower(self, rows: slice, kept: np.ndarray, norms: np.ndarray) -> None:
        """Lowers the distances of some rows to those from (q, d) kept ones with (q,) squared lengths."""
        from ...vectors.product_kernel import lower_nearest

        lower_nearest(self.nearest[rows], self.Z[rows] @ kept.T, self.norms[rows], norms)

    def add(self, kept: np.ndarray, threads: ThreadPoolExecutor) -> None:
        """Lowers all distances to those from newly kept rows."""
        for start in range(0, len(kept), _CANDIDATES):
            new = kept[start : start + _CANDIDATES]
            lower = partial(self.lower, kept=self.Z[new], norms=self.norms[new])
            list(threads.map(lower, blocks(len(self.Z), _BLOCK_ROWS)))
