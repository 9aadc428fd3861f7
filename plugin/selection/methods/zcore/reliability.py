"""How much two independent runs of a Monte-Carlo score would agree, read off the two halves of one run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Goal:
    """How far two runs must agree before an adaptive run may stop.

    Attributes:
        target: the agreement wanted, in (0, 1)
        keeps: budgets, as ascending and distinct counts: agreement is the share of the kept images that two runs have
            in common, at the budget where it is smallest. Without budgets it is the correlation of all ranks
    """

    target: float
    keeps: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """What is measured, in a word."""
        return "overlap" if self.keeps else "reliability"

    def agreement(self, first: np.ndarray, second: np.ndarray) -> float:
        """What is expected of two runs, each as long as both halves together.

        Args:
            first: (n,) scores from one half of a run
            second: (n,) scores from the other, independent half

        Returns:
            a number up to 1, or NaN if one of the halves is constant
        """
        if self.keeps:
            return float(expected_overlaps(first, second, self.keeps).min())
        return split_half_reliability(first, second)

    def draws_factor(self, reached: float) -> float:
        """How many times longer a run must be that reached less than the target."""
        if not self.keeps:
            return draws_factor(reached, self.target)
        # what two runs do not share falls with the noise, which falls with the root of the draws
        return ((1 - reached) / (1 - self.target)) ** 2


def rank(values: np.ndarray) -> np.ndarray:
    """Ranks from 0, ties at their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts + 1) / 2)[inverse]


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson correlation, 1 for two equal and NaN for two different vectors of which one is constant."""
    a = first - first.mean()
    b = second - second.mean()
    scale = np.sqrt((a @ a) * (b @ b))
    if scale == 0:
        return 1.0 if np.array_equal(a, b) else float("nan")
    return float(np.clip((a @ b) / scale, -1, 1))


def split_half_reliability(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman correlation to expect between two runs, each as long as both halves together.

    Correlation grows with length T as T / (T + c) (Spearman-Brown), so r between halves gives 2 r / (1 + r).

    Args:
        first: (n,) scores from one half of a run
        second: (n,) scores from the other, independent half

    Returns:
        a correlation in [-1, 1], or NaN if one of the halves is constant
    """
    r = correlation(rank(first), rank(second))
    return r if np.isnan(r) or r <= 0 else 2 * r / (1 + r)


def draws_factor(reliability: float, target: float) -> float:
    """How many times longer a run must be to reach the target reliability."""
    if not reliability > 0:
        return float("inf")
    return target / (1 - target) * (1 - reliability) / reliability


def expected_overlaps(
    first: np.ndarray, second: np.ndarray, keeps: Sequence[int], seed: int = 0, repeats: int = 20
) -> np.ndarray:
    """Shares of the kept images that two independent runs, as long as both halves together, have in common.

    The mean of the halves is shrunk until its spread is that of the noise-free score; then pairs of runs are simulated
    with the noise seen between the halves among images of similar score. Rough where reliability is below about 0.2.

    Args:
        first: (n,) scores from one half of a run
        second: (n,) scores from the other, independent half
        keeps: (b,) how many of the highest scores are kept, ascending and distinct
        seed (0): of the simulated noise
        repeats (20): simulated pairs of runs

    Returns:
        (b,) float64 shares in [0, 1]; chance is keep / n
    """
    mean = (first + second) / 2
    noise = (first - second) / 2
    order = np.argsort(mean, kind="stable")
    mean = mean[order]
    variance = _moving_mean(noise[order] ** 2, 101)
    spread = mean.var()
    if spread == 0:
        return np.array(keeps) / len(mean)
    signal = max(spread - variance.mean(), 0) / spread
    truth = mean.mean() + np.sqrt(signal) * (mean - mean.mean())
    rng = np.random.default_rng(seed)
    shared = np.zeros(len(keeps))
    for _ in range(repeats):
        runs = truth + np.sqrt(variance) * rng.standard_normal((2, len(mean)))
        # An image is among the kept of both runs from the larger of the two budgets on that first keep it.
        kept_from = np.maximum(*(_first_budget(run, keeps) for run in runs))
        shared += np.cumsum(np.bincount(kept_from, minlength=len(keeps) + 1))[:-1]
    return shared / (repeats * np.array(keeps))


def _first_budget(scores: np.ndarray, keeps: Sequence[int]) -> np.ndarray:
    """(n,) int64 position in ``keeps`` of the first budget that keeps each image; ``len(keeps)`` where none does."""
    order = np.argpartition(-scores, np.array(keeps) - 1)
    first = np.empty(len(scores), dtype=np.int64)
    first[order] = np.searchsorted(keeps, np.arange(len(scores)), side="right")
    return first


def _moving_mean(values: np.ndarray, width: int) -> np.ndarray:
    """Mean over a centred window that shrinks at the ends."""
    half = min(width, len(values)) // 2
    total = np.concatenate([[0.0], np.cumsum(values)])
    at = np.arange(len(values))
    low = np.maximum(at - half, 0)
    high = np.minimum(at + half + 1, len(values))
    return (total[high] - total[low]) / (high - low)
