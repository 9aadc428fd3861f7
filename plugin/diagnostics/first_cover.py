"""The budget at which each image becomes covered, and redundant: every image's status at every budget at once.

A ranking keeps prefixes, so an image is covered at budget k exactly if the first rank within the coverage radius is
below k. One number an image therefore answers every position of the panel's slider, in the browser and without a
request.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..progress import ProgressCallback, part_of, silence
from ..vectors.points import Points
from . import sketch

#: Larger than any budget.
NEVER = np.iinfo(np.uint32).max

#: The largest ranking that a run is measured on: time grows with its square.
MAX_ROWS = 150_000

_BLOCK = 2_048

#: Gives the embeddings of some rows that are searched, by their places.
_UnitOf = Callable[[Any], np.ndarray]


@dataclass(frozen=True)
class FirstCover:
    """First budgets, rows in rank order.

    Attributes:
        covered_at: (n,) uint32 smallest budget at which the row is kept or within ``coverage_radius`` of a kept row
        duplicate_at: (n,) uint32 smallest budget that keeps an earlier row within ``near_duplicate_radius``;
            ``NEVER`` if none
    """

    covered_at: np.ndarray
    duplicate_at: np.ndarray


def first_cover(
    points: Points,
    coverage_radius: float,
    near_duplicate_radius: float,
    near_copies: np.ndarray | None = None,
    progress: ProgressCallback = silence,
    known: FirstCover | None = None,
    to_known: np.ndarray | None = None,
    order: np.ndarray | None = None,
) -> FirstCover:
    """Finds the first budgets of a ranking.

    Args:
        points: the embeddings
        coverage_radius: distance within which an image counts as covered
        near_duplicate_radius: distance within which two images are near-duplicates
        near_copies (None): (n,) group of near-copies, in rank order; if given, they are the near-duplicates
        progress (silence): called with ``(fraction, message)``
        known (None): the answer for the first rows, if the others were ranked behind them; it stays
        to_known (None): float32 distances of the others to the nearest of the first rows, with ``known``
        order (None): (n,) rows of ``points``, first to keep first; by default they are in rank order

    Returns:
        a :class:`FirstCover`
    """
    # Rows whose sample was deleted since have no embedding: nothing covers them and they cover nothing.
    usable = np.zeros(points.n, dtype=bool)
    usable[points.rows] = True
    ranked = np.arange(points.n) if order is None else order
    rows = np.flatnonzero(usable[ranked])
    dtype = points.work_dtype(len(rows), len(rows))

    def gathered(places: Any) -> np.ndarray:
        return points.block(ranked[rows[places]], dtype)

    covered_at = np.arange(1, points.n + 1, dtype=np.uint32)
    duplicate_at: np.ndarray = np.full(points.n, NEVER, dtype=np.uint32)
    searches = [(coverage_radius, covered_at)]
    if near_copies is None:
        searches.append((near_duplicate_radius, duplicate_at))
    else:
        place = np.arange(points.n)
        earliest = np.full(int(near_copies.max()) + 1, points.n)
        np.minimum.at(earliest, near_copies[rows], rows)
        repeats = rows[earliest[near_copies[rows]] < place[rows]]
        duplicate_at[repeats] = earliest[near_copies[repeats]] + 1
    for step, (within, at) in enumerate(searches):
        report = part_of(progress, step / len(searches), (step + 1) / len(searches))
        if known is None or to_known is None:
            unit = gathered(slice(None))
            found = _first_within(unit.__getitem__, len(unit), within, _candidates(unit, within), report)
        else:
            found = _first_of_others(gathered, within, to_known, len(rows), report)
        at[rows[found >= 0]] = rows[found[found >= 0]] + 1
    if known is not None:
        covered_at[: len(known.covered_at)] = known.covered_at
        duplicate_at[: len(known.duplicate_at)] = known.duplicate_at
    return FirstCover(covered_at, duplicate_at)


def _candidates(unit: np.ndarray, radius: float) -> np.ndarray:
    """Rows that can have an earlier one within the radius.

    Distances between projections are never larger than distances, so where there is much to search, rows without a
    close projection are ruled out in the few directions of largest variance.
    """
    every = np.arange(1, len(unit))
    if not sketch.pays(*unit.shape):
        return every
    sample = unit[np.linspace(0, len(unit) - 1, sketch.FROM).astype(np.int64)]
    small = unit @ sketch.directions(sample).astype(unit.dtype, copy=False)
    return np.flatnonzero(_first_within(small.__getitem__, len(small), radius, every, silence) >= 0)


def _first_of_others(
    unit_of: _UnitOf, radius: float, to_first: np.ndarray, m: int, report: ProgressCallback
) -> np.ndarray:
    """:func:`_first_within` of the last rows, where the distances to the nearest of the first rows are known."""
    n_first = m - len(to_first)
    others = unit_of(slice(n_first, m))
    found = np.full(m, -1)
    among = _first_within(others.__getitem__, len(others), radius, np.arange(len(others)), silence)
    found[n_first:] = np.where(among >= 0, n_first + among, -1)
    close = n_first + np.flatnonzero(
        to_first <= radius + sketch.SLACK
    )  # the others are within the radius of no first row
    before = _first_within(unit_of, m, radius, close, report)[close]
    found[close[before >= 0]] = before[before >= 0]
    return found


def _first_within(unit_of: _UnitOf, m: int, radius: float, seeking: np.ndarray, report: ProgressCallback) -> np.ndarray:
    """(m,) the earliest row before each of the seeking ones and within the radius of it; -1 if none.

    Earlier rows offer themselves block by block, and rows that found theirs leave the search. Two extra columns turn
    the comparison |x - y| <= r into the sign of one product, so that a block is read once.
    """
    first = np.full(m, -1)
    unit = unit_of(seeking)
    # Products leave this much in the squared distance of two equal unit vectors.
    rounding = 1e-12 if unit.dtype == np.float64 else 1e-6
    limit = (radius**2 + rounding) / 2 - _half(unit)
    seek = np.column_stack([unit, np.ones_like(limit), limit]).astype(unit.dtype, copy=False)
    for start in range(0, m, _BLOCK):
        report(start / m, "status of every image")
        still = (first[seeking] < 0) & (seeking > start)
        if not still.all():
            seeking, seek = seeking[still], seek[still]
        if not len(seeking):
            break
        block = slice(start, min(start + _BLOCK, m))
        unit = unit_of(block)
        offer = np.column_stack([unit, -_half(unit), np.ones(len(unit), dtype=unit.dtype)])
        for begin in range(0, len(seeking), 8 * _BLOCK):
            part = seeking[begin : begin + 8 * _BLOCK]
            near = offer @ seek[begin : begin + 8 * _BLOCK].T >= 0
            if part[0] < block.stop:
                near &= np.arange(start, block.stop)[:, None] < part
            hit = near.any(axis=0)
            first[part[hit]] = start + near[:, hit].argmax(axis=0)
    return first


def _half(unit: np.ndarray) -> np.ndarray:
    """Half the squared norm of every row."""
    return np.einsum("ij,ij->i", unit, unit) / 2
