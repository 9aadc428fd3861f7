"""ZCore: zero-shot coreset scores (Griffin, Marks, Corso; arXiv 2411.15349), seeded and as stable as asked for.

An image gains a point whenever it is the nearest image to a random target in a random subspace of the embedding, and
loses up to one whenever a near neighbour of it is. The score is the expectation of that game, estimated by drawing; how
it is computed is told in `kernel_pairs`, which draws are taken in `sampling`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ....errors import CoresetError
from ....progress import silence
from ....seeds import check_seed
from ....vectors.matrix import as_matrix, row_blocks
from ...budget import resolve_budget
from .engine import Progress, SeededDraws, Totals, Workers, given_draws, run_adaptive, run_fixed
from .params import LITERAL, SHARED, SYMMETRIC, ZCoreParams
from .reliability import Goal, expected_overlaps

#: Rows turned into columns at a time.
_BLOCK_ROWS = 2048


@dataclass(frozen=True)
class ZCoreScores:
    """ZCore scores of n images.

    Attributes:
        score: (n,) float64, coverage - redundancy; higher = keep; NaN where the embedding is missing or non-finite
        coverage: (n,) float64, draws in which the image was nearest to the target
        redundancy: (n,) float64, penalties for being near to such images
        n_draws: draws taken
        reliability: Spearman correlation to expect between this run and another with a new seed; NaN if unknown
        goal: what an adaptive run aimed at, or None
        reached: how near it came to that, measured as the goal says, or None
        halves: (2, n) float64, the scores from either half of the draws; their sum is ``score``

    Examples:
        >>> scores = fc.zcore_scores(embeddings, n_draws=1_000)
        >>> bool(np.allclose(scores.score, scores.coverage - scores.redundancy))
        True
    """

    score: np.ndarray
    coverage: np.ndarray
    redundancy: np.ndarray
    n_draws: int
    reliability: float
    goal: Goal | None = None
    reached: float | None = None
    halves: np.ndarray = field(repr=False, default_factory=lambda: np.empty((2, 0)))

    @property
    def converged(self) -> bool:
        """Whether the goal was reached; True for runs with a fixed number of draws."""
        return self.goal is None or self.reached is None or self.reached >= self.goal.target

    @property
    def warning(self) -> str | None:
        """A sentence for users if the goal was not reached."""
        if self.goal is None or self.reached is None or self.converged:
            return None
        factor = self.goal.draws_factor(self.reached)
        more = f"about {factor:.1f} times as many" if np.isfinite(factor) else "many more"
        return (
            f"ZCore reached {self.goal.name} {self.reached:.2f} instead of {self.goal.target:.2f} with "
            f"{self.n_draws:,} draws; give it {more} draws (n_draws) or a longer time_budget"
        )

    def overlap_at(self, budget: float, seed: int = 0) -> float:
        """The share of the kept images that another run with a new seed is expected to keep too.

        Args:
            budget: fraction in (0, 1], or count, of the scored images to keep
            seed (0): of the simulation behind the estimate

        Returns:
            a share in [0, 1]; choosing at random would give the kept fraction

        Examples:
            >>> 0 < fc.zcore_scores(embeddings, n_draws=1_000).overlap_at(0.5) <= 1
            True
        """
        n = int(np.sum(~np.isnan(self.score)))
        keep = round(budget * n) if isinstance(budget, float) else budget
        if not 1 <= keep <= n:
            raise CoresetError(f"budget: {budget} keeps {keep} of {n} scored images; give 1 to {n}, or a fraction")
        return self.overlaps([keep], check_seed(seed))[0]

    def overlaps(self, keeps: Sequence[int], seed: int = 0) -> list[float]:
        """:meth:`overlap_at` several budgets.

        Args:
            keeps: counts of images to keep, ascending and distinct, each from 1 to the number of scored images
            seed (0): of the simulation behind the estimate

        Returns:
            a share for each

        Examples:
            >>> len(fc.zcore_scores(embeddings, n_draws=1_000).overlaps([6, 12, 30]))
            3
        """
        first, second = self.halves[:, ~np.isnan(self.score)]
        return expected_overlaps(first, second, keeps, seed).tolist()


def zcore_scores(
    embeddings: Any,
    n_draws: int | None = None,
    seed: int = 0,
    *,
    sample_dim: int = 2,
    n_neighbors: int = 1000,
    exponent: float = 4.0,
    num_workers: int | None = None,
    draws: tuple[np.ndarray, np.ndarray] | None = None,
    progress: Progress | None = None,
    target_reliability: float = 0.95,
    budgets: Sequence[int | float | str] | None = None,
    target_overlap: float = 0.85,
    time_budget: float | None = 300.0,
    strict_reference: bool = False,
    usable: np.ndarray | None = None,
) -> ZCoreScores:
    """Scores images by how much of the embedding space only they cover.

    The same seed gives the same bits for any number of workers, from memory or from a file. Images without a finite
    embedding get NaN and do not influence the others. An adaptive run that ended after T draws equals the run with
    ``n_draws=T``.

    Args:
        embeddings: (n, d) real array, path of an ``.npy`` file, or sequence of vectors with ``None`` for missing ones
        n_draws (None): number of draws; by default draws are added until two runs would agree, or until `time_budget`
        seed (0): seed of the draws
        sample_dim (2): dimensions of a subspace, m in the paper
        n_neighbors (1000): images that share the penalty of a draw, K in the paper
        exponent (4.0): power of the distance by which the penalty falls off, e in the paper
        num_workers (None): threads; by default all cores this process may use
        draws (None): the caller's own draws instead: a tuple of dimensions, (T, sample_dim) int, and targets,
            (T, sample_dim) float
        progress (None): called with the fraction done and a sentence
        target_reliability (0.95): rank correlation of two such runs at which an adaptive run may stop
        budgets (None): what is going to be kept, e.g. ``["5%", 500]``. An adaptive run may then stop as soon as two
            such runs are expected to share `target_overlap` of the images kept at each of them; ranks far from these
            budgets may be less certain
        target_overlap (0.85): see there
        time_budget (300.0): seconds after which an adaptive run stops anyway; None for no limit
        strict_reference (False): with images that coincide in a subspace, cover the first and penalise one other, as
            the reference code does. By default they share the penalty (and, unless `draws` are given, the coverage)
        usable (None): (n,) bool, the images that are scored; the others get NaN, as if they were missing

    Returns:
        a :class:`ZCoreScores`

    Raises:
        CoresetError: if there are fewer than 2 usable embeddings, all are identical, or an argument is out of range

    Examples:
        >>> scores = fc.zcore_scores(embeddings, n_draws=1_000, seed=0)
        >>> first_ten = scores.score.argsort()[::-1][:10]
    """
    seed = check_seed(seed)
    if n_neighbors < 1 or sample_dim < 1 or not exponent > 0:
        raise CoresetError("zcore: give n_neighbors >= 1, sample_dim >= 1 and exponent > 0")
    for name, value in (("n_draws", n_draws), ("num_workers", num_workers)):
        if value is not None and value < 1:
            raise CoresetError(f"{name}: expected at least 1, got {value}")
    for name, share in (("target_reliability", target_reliability), ("target_overlap", target_overlap)):
        if not 0 < share < 1:
            raise CoresetError(f"{name}: expected a number between 0 and 1, got {share}")
    if budgets is not None and (isinstance(budgets, str) or len(budgets) == 0):
        raise CoresetError(f"budgets: expected a list such as ['10%'], got {budgets!r}")
    if budgets is not None and not (n_draws is None and draws is None):
        raise CoresetError("budgets: they decide how many draws are taken, so leave out n_draws and draws")
    matrix, valid = as_matrix(embeddings)
    if usable is not None:
        valid &= usable
    columns = _columns(matrix, valid)
    n = columns.shape[1]
    if n < 2:
        raise CoresetError(f"embeddings: {n} of {len(valid)} vectors are usable, but ZCore compares at least 2")
    goal = Goal(target_reliability)
    if budgets is not None:
        goal = Goal(target_overlap, tuple(sorted({resolve_budget(budget, n) for budget in budgets})))
    rule = LITERAL if strict_reference else SYMMETRIC if draws is None else SHARED
    params = ZCoreParams(min(n_neighbors, n - 1), float(exponent), rule)
    report = progress or silence
    totals, reached = Totals(n), None
    with Workers(num_workers) as workers:
        if draws is not None:
            dims, targets = _checked_draws(draws, len(columns))
            run_fixed(given_draws(columns, dims, targets, params), len(dims), totals, workers, report)
        else:
            own = SeededDraws(columns, sample_dim, n_draws, seed, params, workers)
            if n_draws is not None:
                run_fixed(own.chunks(), n_draws, totals, workers, report)
            else:
                reached = run_adaptive(own, goal, time_budget, totals, workers, report)
    return _result(totals, valid, None if reached is None else goal, reached)


def _columns(matrix: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """The usable rows as (d, n) columns, copied block by block so that a memmap never lies in memory as a whole."""
    columns = np.empty((matrix.shape[1], int(valid.sum())), dtype=matrix.dtype)
    done = 0
    for rows, block in row_blocks(matrix, _BLOCK_ROWS):
        usable = block[valid[rows]]
        columns[:, done : done + len(usable)] = usable.T
        done += len(usable)
    return columns


def _checked_draws(draws: tuple[np.ndarray, np.ndarray], n_dims: int) -> tuple[np.ndarray, np.ndarray]:
    dims, targets = np.asarray(draws[0]), np.asarray(draws[1], dtype=np.float64)
    if dims.ndim != 2 or dims.shape != targets.shape or dims.size == 0 or dims.dtype.kind not in "iu":
        raise CoresetError(
            f"draws: expected integer dimensions and targets, both (T, sample_dim), got {dims.dtype} {dims.shape} and "
            f"{targets.shape}"
        )
    if dims.min() < 0 or dims.max() >= n_dims or not np.isfinite(targets).all():
        raise CoresetError(f"draws: dimensions must lie in 0 to {n_dims - 1} and targets must be finite")
    return np.ascontiguousarray(dims, dtype=np.int64), np.ascontiguousarray(targets)


def _result(totals: Totals, valid: np.ndarray, goal: Goal | None, reached: float | None) -> ZCoreScores:
    """Puts the sums back to the rows they belong to."""

    def spread(values: np.ndarray) -> np.ndarray:
        result = np.full((*values.shape[:-1], len(valid)), np.nan)
        result[..., valid] = values
        return result

    coverage, redundancy = totals.coverage.sum(axis=0), totals.redundancy.sum(axis=0)
    return ZCoreScores(
        score=spread(coverage - redundancy),
        coverage=spread(coverage),
        redundancy=spread(redundancy),
        n_draws=totals.n_draws,
        reliability=totals.reliability(),
        goal=goal,
        reached=reached,
        halves=spread(totals.halves()),
    )
