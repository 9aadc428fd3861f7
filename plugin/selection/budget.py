"""Budgets: how much to keep, as people say it, turned into a number of images."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import CoresetError
from ..vectors.near_duplicates import near_duplicates
from ..vectors.neighbors import pairwise_distances
from ..vectors.points import Points
from ..vectors.radius import COVERAGE_ROWS, coverage_radius, covered_from

_FORMS = 'a count (500), a fraction (0.3), a percentage ("30%"), "95% coverage", "saturation" or "redundancy"'
_PERCENT = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*%\s*(coverage)?\s*", re.IGNORECASE)

#: A count as in "50k" or "1.5M".
_THOUSANDS = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kM])\s*")
_SUFFIXES = {"k": 1_000, "M": 1_000_000}

_BLOCK = 1024


@dataclass(frozen=True)
class CoverageBudget:
    """The smallest coreset that covers a share of the images.

    Args:
        share (0.95): share of the images that must lie within ``radius`` of a kept one, in (0, 1]
        radius (None): coverage radius, an L2 distance between unit-norm embeddings, > 0; read from the data by default,
            see :func:`.radius.coverage_radius`

    Examples:
        >>> fc.get_method("kcenter").select(embeddings, fc.CoverageBudget(0.9)).indices.size < 60
        True
    """

    share: float = 0.95
    radius: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise CoresetError(f"coverage share must lie in (0, 1], got {self.share}; give e.g. 0.95")
        if self.radius is not None and not 0 < self.radius < math.inf:
            raise CoresetError(f"coverage radius must be a positive distance, got {self.radius}")


@dataclass(frozen=True)
class SaturationBudget:
    """Stops where more images stop paying.

    Coverage is the drop of the mean distance to the nearest kept image, scaled so that the first image stands at 0 and
    the whole pool at 1. The budget ends where one more percent of the pool buys less than ``min_gain`` percent of it.

    Args:
        min_gain (0.5): smallest gain worth paying for, in (0, inf); 1 is the gain of an average image

    Examples:
        >>> fc.get_method("kcenter").select(embeddings, fc.SaturationBudget()).indices.size < 60
        True
    """

    min_gain: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.min_gain < math.inf:
            raise CoresetError(f"min_gain must be a positive number, got {self.min_gain}; give e.g. 0.5")


@dataclass(frozen=True)
class RedundancyBudget:
    """Drops near-duplicates and keeps the rest: one image for each near-duplicate group.

    Args:
        radius (None): near-duplicate radius, an L2 distance between unit-norm embeddings; by default near-copies are
            told by their fingerprints, and without these the radius is read from the data, see
            :func:`.near_duplicate_radius`

    Examples:
        >>> fc.get_method("random").select(embeddings, fc.RedundancyBudget()).indices.size < 60
        True
    """

    radius: float | None = None


def parse_budget(budget: Any) -> int | float | CoverageBudget | SaturationBudget | RedundancyBudget:
    """Turns a budget as typed into a count, a fraction, or one of the budget classes.

    Args:
        budget: a count (``500``, ``"500"``, ``"50k"``, ``"1M"``), a fraction in (0, 1] (``0.3``, ``"0.3"``), a
            percentage (``"30%"``), ``"95% coverage"``, ``"saturation"``, ``"redundancy"``, or an instance of a budget
            class

    Returns:
        an int >= 1, a float in (0, 1], or a :class:`CoverageBudget`, :class:`SaturationBudget` or
        :class:`RedundancyBudget`

    Raises:
        CoresetError: if it is none of these
    """
    if isinstance(budget, CoverageBudget | SaturationBudget | RedundancyBudget):
        return budget
    if isinstance(budget, str):
        return _parse_text(budget)
    if isinstance(budget, bool | np.bool_) or not isinstance(budget, int | float | np.integer | np.floating):
        raise CoresetError(f"budget must be {_FORMS}, got {budget!r}")
    if isinstance(budget, int | np.integer):
        if budget < 1:
            raise CoresetError(f"budget must keep at least 1 image, got {budget}")
        return int(budget)
    if not 0 < budget <= 1:
        raise CoresetError(f"a fraction must lie in (0, 1], got {budget}; give a whole number to mean a count")
    return float(budget)


def parse_size(budget: Any) -> int | float:
    """Reads a budget that does not depend on a ranking.

    Args:
        budget: a count, a fraction in (0, 1] or a percentage such as ``"30%"``

    Returns:
        an int >= 1, or a float in (0, 1]

    Raises:
        CoresetError: if it is none of these
    """
    parsed = parse_budget(budget)
    if not isinstance(parsed, int | float):
        raise CoresetError(f"budget {budget!r} depends on a ranking; give a count (500) or a percentage ('30%')")
    return parsed


def budget_words(budget: Any) -> str:
    """A budget in the words that people say, for names and descriptions.

    Args:
        budget: any budget, see :func:`parse_budget`

    Returns:
        e.g. ``"500"``, ``"30%"``, ``"95% coverage"``, ``"saturation"`` or ``"redundancy"``

    Raises:
        CoresetError: if it is no budget

    Example::

        assert budget_words(0.3) == "30%"
    """
    parsed = parse_budget(budget)
    if isinstance(parsed, CoverageBudget):
        within = "" if parsed.radius is None else f" within {parsed.radius:.3g}"
        return f"{100 * parsed.share:.4g}% coverage{within}"
    if isinstance(parsed, SaturationBudget):
        return "saturation"
    if isinstance(parsed, RedundancyBudget):
        return "redundancy"
    return str(parsed) if isinstance(parsed, int) else f"{100 * parsed:.4g}%"


def _parse_text(text: str) -> int | float | CoverageBudget | SaturationBudget | RedundancyBudget:
    match = _PERCENT.fullmatch(text)
    if match:
        share = float(match[1]) / 100
        if not 0 < share <= 1:
            raise CoresetError(f"budget {text!r}: a percentage must lie above 0 % and up to 100 %")
        return CoverageBudget(share) if match[2] else share
    name = text.strip().lower()
    if name == "saturation":
        return SaturationBudget()
    if name == "redundancy":
        return RedundancyBudget()
    counted = _THOUSANDS.fullmatch(text)
    if counted:
        return parse_budget(round(float(counted[1]) * _SUFFIXES[counted[2]]))
    try:
        number = float(text)
    except ValueError:
        raise CoresetError(f"budget must be {_FORMS}, got {text!r}") from None
    return parse_budget(int(number) if re.fullmatch(r"\s*[+-]?\d+\s*", text) else number)


def resolve_budget(budget: Any, n: int, noun: str = "images") -> int:
    """Turns a count, fraction or percentage into the number of images to keep.

    Args:
        budget: a count, a fraction in (0, 1] or a percentage such as ``"30%"``; fractions are rounded to the nearest
            image and keep at least one
        n: number of images that can be kept, i.e. that have an embedding
        noun ("images"): what they are called

    Returns:
        k with ``1 <= k <= n``

    Raises:
        CoresetError: if the budget is not understood, exceeds ``n``, or depends on a ranking
    """
    parsed = parse_size(budget)
    if n < 1:
        raise CoresetError("no image can be kept: none of the samples has an embedding; compute embeddings first")
    if isinstance(parsed, float):
        return max(1, round(parsed * n))
    if parsed > n:
        raise CoresetError(f"budget {parsed} exceeds the {n} {noun} that can be kept; give at most {n}")
    return parsed


def ranking_budget(
    ranking: Any, embeddings: Any, target: Any, *, near_copies: np.ndarray | None = None, seed: int = 0
) -> int:
    """Finds how much of a ranking a budget asks for, e.g. the shortest prefix that covers 95 % of the images.

    Args:
        ranking: (r,) int indices into ``embeddings``, first to keep first
        embeddings: (n, d) embeddings; rows that are missing or not finite do not count
        target: any budget, see :func:`parse_budget`
        near_copies (None): (n,) group of near-copies of every row, for a :class:`RedundancyBudget` without a radius; by
            default a short distance tells near-duplicates
        seed (0): seed of the 10,000 images whose coverage is followed where there are more, and of the radii

    Returns:
        the number of leading entries of ``ranking`` to keep. For :class:`RedundancyBudget` this is the number of
        near-duplicate groups; a ranking made with ``deduplicate=True`` starts with one image of each

    Raises:
        CoresetError: if even the whole ranking misses the target; the message says what it reaches
    """
    order = np.asarray(ranking, dtype=np.int64)
    parsed = parse_budget(target)
    if isinstance(parsed, int | float):
        return resolve_budget(parsed, len(order))
    if isinstance(parsed, RedundancyBudget) and parsed.radius is None and near_copies is not None:
        return len(np.unique(near_copies[order]))
    points = Points(embeddings)
    if isinstance(parsed, RedundancyBudget):
        groups = near_duplicates(points.block(points.rows), radius=parsed.radius, seed=seed).groups
        return min(len(order), int(groups.max()) + 1)
    rows = points.sample(COVERAGE_ROWS, seed)
    if isinstance(parsed, SaturationBudget):
        return _saturation(points, rows, order, parsed)
    radius = coverage_radius(points, seed=seed) if parsed.radius is None else parsed.radius
    return covering_prefix(covered_from(points, order, rows, radius), len(order), parsed.share, radius)


def covering_prefix(covered: np.ndarray, n_ranked: int, share: float, radius: float) -> int:
    """The length of the shortest prefix of a ranking that covers a share of the images.

    Args:
        covered: (m,) budgets from which on each of m images is covered, see :func:`.covered_from`
        n_ranked: length of the ranking
        share: share of the images to cover, in (0, 1]
        radius: coverage radius, for the message

    Returns:
        the budget

    Raises:
        CoresetError: if the whole ranking covers less
    """
    budget = int(np.sort(covered)[max(0, math.ceil(share * len(covered) - 1e-9) - 1)])
    if budget > n_ranked:
        reached = float(np.mean(covered <= n_ranked))
        raise CoresetError(
            f"the {n_ranked:,} ranked images cover {reached:.1%} of the pool within {radius:.3g}, not {share:.1%}; "
            f"ask for at most {reached:.1%}, a larger radius or a longer ranking"
        )
    return budget


def _saturation(points: Points, rows: np.ndarray, order: np.ndarray, target: SaturationBudget) -> int:
    sample = points.block(rows)
    nearest = np.full(len(sample), np.inf, dtype=np.float32)
    means = []
    for start in range(0, len(order), _BLOCK):
        distances = pairwise_distances(sample, points.block(order[start : start + _BLOCK]))
        np.minimum(distances[:, 0], nearest, out=distances[:, 0])
        np.minimum.accumulate(distances, axis=1, out=distances)
        nearest = distances[:, -1].copy()
        means.append(distances.mean(axis=0, dtype=np.float64))
    curve = np.concatenate(means)
    if curve[0] <= 0:
        return 1
    coverage = 1 - curve / curve[0]
    # The slope of the curve's concave hull falls below min_gain exactly where this difference peaks.
    return int(np.argmax(coverage - target.min_gain * np.arange(len(order)) / points.n)) + 1
