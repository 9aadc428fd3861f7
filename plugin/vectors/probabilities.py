"""Class probabilities from what models store: logits, probabilities, log-probabilities or multi-label scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .matrix import row_blocks

#: Share of the rows that must look like probabilities for the whole matrix to be read as such: logits hardly ever do,
#: and probabilities of which many are spoilt are to be refused, not taken for logits.
_LIKELY = 0.5

#: Share of the rows that must be usable.
_MOST = 0.99

#: How far the sum of a row of probabilities may lie from 1: single precision, and what exporting rounds.
_SUM = 1e-3

#: Classes over which the uncertainty of multi-label scores is averaged; over all it would be diluted by easy negatives.
_TOP_SCORES = 5

#: Numbers held in float64 at a time.
_BLOCK_VALUES = 4 * 1024**2

#: What a row of numbers over the classes can be.
FORMS = ("logits", "probabilities", "log-probabilities")


@dataclass(frozen=True)
class Probabilities:
    """Rows of class probabilities.

    Attributes:
        matrix: (n, C) float32, NaN in rows without
        usable: (n,) bool
        form: what the numbers were read as, see :data:`FORMS`
        n_spoilt: rows that hold numbers which cannot be used
        energy: (n,) float64 ``-logsumexp`` of logits, NaN in rows without; None of any other form
    """

    matrix: np.ndarray
    usable: np.ndarray
    form: str
    n_spoilt: int
    energy: np.ndarray | None = None


def as_probabilities(matrix: np.ndarray, present: np.ndarray, form: str | None = None) -> Probabilities:
    """Turns stored numbers into probabilities.

    Rows that lie in [0, 1] and sum to 1 are probabilities already: a second softmax would make every row uncertain.
    Rows of negative numbers whose exponentials sum to 1 are log-probabilities; a softmax gives those back as it gives
    logits. It is taken in float64, after the maximum is subtracted.

    Args:
        matrix: (n, C) numbers; rows without are passed over
        present: (n,) bool, which rows there are
        form (None): what the numbers are; by default what half of the rows look like

    Returns:
        the probabilities
    """
    finite, proper, logged = (np.zeros(len(matrix), dtype=bool) for _ in range(3))
    for rows, block in row_blocks(matrix, max(1, _BLOCK_VALUES // matrix.shape[1])):
        with np.errstate(invalid="ignore", over="ignore"):
            wide = block.astype(np.float64)
            peak = wide.max(axis=1)
            finite[rows] = np.isfinite(peak) & ~np.isnan(wide).any(axis=1)  # -inf is the logarithm of 0
            if form in (None, "probabilities"):
                proper[rows] = (wide.min(axis=1) >= 0) & (peak <= 1 + _SUM) & (np.abs(wide.sum(axis=1) - 1) <= _SUM)
            if form is None:
                logged[rows] = (peak <= _SUM) & (np.abs(np.exp(wide).sum(axis=1) - 1) <= _SUM)
    finite &= present
    if form is None:
        n = max(1, int(finite.sum()))
        likely = {"probabilities": proper, "log-probabilities": logged}
        form = next((name for name, rows in likely.items() if (rows & finite).sum() >= _LIKELY * n), "logits")
    usable = finite & proper if form == "probabilities" else finite
    found = np.full(matrix.shape, np.nan, dtype=np.float32)
    energy = np.full(len(matrix), np.nan) if form == "logits" else None
    for rows, block in row_blocks(matrix, max(1, _BLOCK_VALUES // matrix.shape[1])):
        mine = usable[rows]
        wide = block[mine].astype(np.float64)
        peak = wide.max(axis=1, keepdims=True)
        if form != "probabilities":
            wide = np.exp(wide - peak)
        total = wide.sum(axis=1, keepdims=True)
        found[rows][mine] = wide / total
        if energy is not None:
            energy[rows][mine] = -(peak + np.log(total))[:, 0]
    return Probabilities(found, usable, form, int((present & ~usable).sum()), energy)


def too_many_spoilt(n_spoilt: int, n_present: int) -> bool:
    """Whether more than 1 % of the rows are unusable."""
    return n_spoilt > (1 - _MOST) * n_present + 1e-9


def multilabel_uncertainty(scores: np.ndarray) -> np.ndarray:
    """How uncertain rows of independent scores are: the mean of ``4 s (1 - s)`` over the five most uncertain classes.

    Args:
        scores: (n, C) scores; a sigmoid is taken first if any lies outside [0, 1]

    Returns:
        (n,) float64 in [0, 1], NaN in rows with a number that is not finite
    """
    are_logits = np.nanmin(scores) < 0 or np.nanmax(scores) > 1
    doubts, top = np.empty(len(scores)), min(_TOP_SCORES, scores.shape[1])
    for rows, block in row_blocks(scores, max(1, _BLOCK_VALUES // scores.shape[1])):
        wide = block.astype(np.float64)
        if are_logits:
            wide = 0.5 * (1 + np.tanh(0.5 * wide))  # the sigmoid, without overflow
        doubts[rows] = np.sort(4 * wide * (1 - wide), axis=1)[:, -top:].mean(axis=1)
    return doubts
