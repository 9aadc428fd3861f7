"""Active testing: which images to label for a test, and a risk that is unbiased although they were chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import CoresetError
from ..seeds import check_seed
from ..vectors.row_sets import row_set
from .predictions import Predictions

#: Share of every draw that is uniform, so that no row is impossible.
_UNIFORM = 0.1


@dataclass(frozen=True, eq=False)
class DrawnTest:
    """A test set that was drawn by the expected loss.

    Attributes:
        rows: (m,) int64 rows in the order in which they were drawn
        probabilities: (m,) float64 with which each was drawn among what was left then; without them no risk can be told
        n_pool: number of rows that could be drawn
    """

    rows: np.ndarray
    probabilities: np.ndarray
    n_pool: int


def draw_test(predictions: Predictions, size: int, *, excluded: Any = None, seed: int = 0) -> DrawnTest:
    """Draws test images one by one, those more probably that the model gets wrong (Kossen et al., ICML 2021).

    A row is drawn with probability ``0.9 (1 - p1) / sum + 0.1 / n_left``. Worth it for tests below about 500 labels,
    and for the model that gave the predictions or one like it; a random test set serves every later model.

    Args:
        predictions: of n rows; calibrated ones are better
        size: test images to draw
        excluded (None): row indices or an (n,) bool mask of rows that must not be drawn, such as labelled ones
        seed (0): the random seed; draws follow the order of the rows

    Returns:
        the draw; store its probabilities with it

    Raises:
        CoresetError: if fewer rows can be drawn

    Examples:
        >>> head = fc.fit_head(embeddings, labels)
        >>> drawn = fc.draw_test(head.predictions(embeddings), size=10)
        >>> len(drawn.rows)
        10
    """
    allowed = predictions.present.copy()
    allowed[row_set(excluded, len(predictions), "excluded")] = False
    rows = np.flatnonzero(allowed)
    if not 1 <= size <= len(rows):
        raise CoresetError(
            f"size must lie in 1..{len(rows)}, the rows with a prediction that are not excluded, got {size}"
        )
    doubt = 1 - predictions.confidence[rows]
    rng = np.random.default_rng(check_seed(seed))
    left = np.ones(len(rows), dtype=bool)
    drawn, probabilities = np.empty(size, dtype=np.int64), np.empty(size)
    for step in range(size):
        shares = np.where(left, doubt, 0)
        total = shares.sum()
        uniform = left / left.sum()
        q = (1 - _UNIFORM) * shares / total + _UNIFORM * uniform if total > 0 else uniform
        total_so_far = np.cumsum(q)
        choice = int(np.searchsorted(total_so_far, rng.random() * total_so_far[-1], side="right"))
        drawn[step], probabilities[step] = rows[choice], q[choice]
        left[choice] = False
    return DrawnTest(drawn, probabilities, len(rows))


def lure_risk(losses: Any, probabilities_of_draw: Any, n_pool: int) -> tuple[float, float]:
    """The mean loss over a pool, from rows that were drawn one by one with known probabilities.

    LURE (Farquhar, Gal and Rainforth, ICLR 2021): row m of M weighs
    ``1 + (N - M) / (N - m) * (1 / ((N - m + 1) q_m) - 1)``, which makes the weighted mean unbiased.

    Args:
        losses: (m,) losses in the order of the draw, e.g. 1 where the model was wrong
        probabilities_of_draw: (m,) probabilities with which the rows were drawn among what was left
        n_pool: N, number of rows that could be drawn

    Returns:
        a tuple of the risk and its standard error, which is 0 where the whole pool was drawn

    Raises:
        CoresetError: if the numbers do not fit together

    Examples:
        >>> lure_risk([1.0, 0.0, 0.0, 1.0], [1 / 4, 1 / 3, 1 / 2, 1.0], 4)
        (0.5, 0.0)
    """
    L, q = np.asarray(losses, dtype=np.float64), np.asarray(probabilities_of_draw, dtype=np.float64)
    if L.ndim != 1 or L.shape != q.shape or not 1 <= len(L) <= n_pool:
        raise CoresetError(
            f"there are {L.size} losses and {q.size} probabilities of a pool of {n_pool}; pass one of each per drawn "
            "row"
        )
    if not (np.isfinite(L).all() and ((q > 0) & (q <= 1)).all()):
        raise CoresetError("losses must be finite, and probabilities of the draw above 0 and at most 1")
    weighted = L * lure_weights(q, n_pool)
    spread = float(weighted.std(ddof=1)) if len(L) > 1 else float("nan")
    error = spread / np.sqrt(len(L)) * np.sqrt(1 - len(L) / n_pool) if len(L) < n_pool else 0.0
    return float(weighted.mean()), float(error)


def lure_weights(q: np.ndarray, n_pool: int) -> np.ndarray:
    """(m,) float64 weights of drawn rows, see :func:`lure_risk`."""
    m = np.arange(1, len(q) + 1)
    if len(q) == n_pool:
        return np.ones(len(q))
    return 1 + (n_pool - len(q)) / (n_pool - m) * (1 / ((n_pool - m + 1) * q) - 1)
