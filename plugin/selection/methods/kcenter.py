"""k-center greedy: the farthest image next."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np

from ...vectors.device import gpu_for, named_if_full
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
    with threadpool_limits(1, user_api="blas"), _lowering(distances, k, pool) as lower:
        for part in blocks(len(pool.preselected), _CANDIDATES):
            lower(pool.preselected[part])
        if not len(pool.preselected):
            mean = (weights / weights.sum()) @ unit
            picks.append(int(np.argmin(distances.norms - 2 * (unit @ mean))))
            free[picks] = False
            lower(np.array(picks))
        while len(picks) < k:
            far = np.where(free, distances.nearest * weights, -1)
            block = _block(distances, far, weights, k - len(picks))
            lower(block)
            free[block] = False
            picks.extend(block.tolist())
            pool.report(len(picks) / k, f"{len(picks)} of {k} picked")
    return np.array(picks[:k], dtype=np.int64), distances.nearest


def _block(distances: _NearestKept, far: np.ndarray, weights: np.ndarray, k: int) -> np.ndarray:
    """The next picks that the farthest candidates alone determine; at least one."""
    order = _farthest(far, _CANDIDATES + 1)
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


def _farthest(far: np.ndarray, count: int) -> np.ndarray:
    """The rows with the largest values, largest first and the first of equals first, without sorting the others."""
    if count >= len(far):
        return np.argsort(-far, kind="stable")
    least = np.partition(far, -count)[-count]
    rows = np.concatenate([np.flatnonzero(far > least), np.flatnonzero(far == least)])[:count]
    return rows[np.argsort(-far[rows], kind="stable")]


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


@contextmanager
def _lowering(distances: _NearestKept, k: int, pool: Pool) -> Iterator[Callable[[np.ndarray], None]]:
    """Gives what lowers all distances to those from some newly kept rows: on a GPU, or with threads."""
    unit = distances.Z
    device = gpu_for(unit.size * (k + len(pool.preselected)), unit.nbytes)
    if device is not None:
        from ...vectors import torch_kernel

        with named_if_full(device):
            yield partial(torch_kernel.lower_nearest, distances.nearest, torch_kernel.put(unit, device))
        return
    with ThreadPoolExecutor(pool.num_workers or os.cpu_count()) as threads:

        def lower(kept: np.ndarray) -> None:
            of_block = partial(distances.lower, kept=unit[kept], norms=distances.norms[kept])
            list(threads.map(of_block, blocks(len(unit), _BLOCK_ROWS)))

        yield lower
