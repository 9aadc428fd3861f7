"""Why one image was kept or dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import CoresetError
from ..seeds import check_seed
from ..vectors.points import Points, as_points
from ..vectors.radius import comparison_radii
from ..vectors.row_sets import usable_row_set

_BLOCK = 16_384


@dataclass(frozen=True)
class RowExplanation:
    """What is known about one image of a ranking.

    Attributes:
        row: the image
        rank: its place, 0 = first to keep; None if it was not ranked
        budget: number of images kept
        n_ranked: number of images ranked
        nearest: the nearest *other* kept image; None if there is none
        distance: distance to it; inf if there is none
        near_duplicates: (g,) rows within the near-duplicate radius, kept ones first, each part nearest first
        n_kept_near_duplicates: how many of those are kept
        coverage_radius: distance within which an image counts as covered
        near_duplicate_radius: near-duplicate radius
        figures: name -> value of the method's own figures, e.g. score, coverage and redundancy
        percentiles: name -> share of the ranked images with a smaller value
        names: row -> what to call it, e.g. its file; "row i" where it has no name

    Examples:
        >>> explanation = results.explain(dataset.first().id, "10%")
        >>> explanation.budget, explanation.n_ranked
        (6, 60)
    """

    row: int
    rank: int | None
    budget: int
    n_ranked: int
    nearest: int | None
    distance: float
    near_duplicates: np.ndarray
    n_kept_near_duplicates: int
    coverage_radius: float
    near_duplicate_radius: float
    figures: dict[str, float]
    percentiles: dict[str, float]
    names: Mapping[int, str] = field(default_factory=dict)

    @property
    def kept(self) -> bool:
        """Whether the budget keeps the image."""
        return self.rank is not None and self.rank < self.budget

    @property
    def covered(self) -> bool:
        """Whether it is kept or lies within the coverage radius of a kept image."""
        return self.kept or self.distance <= self.coverage_radius

    def summary(self, names: Sequence[str] | None = None) -> str:
        """One sentence on why the image is kept or dropped.

        Args:
            names (None): name of every row, e.g. sample ids; those in ``names`` by default

        Returns:
            the sentence

        Examples:
            >>> print(results.explain(dataset.first().id, "10%").summary())
            red-000.jpg...
        """
        name = self.names.get(self.row)
        verdict = self._verdict() if name is None else f"{name}: {self._verdict()}"
        return f"{verdict}: {self._reason(names)}{self._score()}."

    def _verdict(self) -> str:
        if self.rank is None:
            return "Not ranked"
        place = f"rank {self.rank + 1:,} of {self.n_ranked:,}"
        if self.kept:
            return f"Kept ({place}, budget {self.budget:,})"
        return f"Dropped ({place}; kept from a budget of {self.rank + 1:,} on)"

    def _reason(self, names: Sequence[str] | None) -> str:
        if self.nearest is None:
            return "no other one is kept"
        name = names[self.nearest] if names is not None else self.names.get(self.nearest, f"row {self.nearest}")
        where = f"{name}, at distance {self.distance:.3g}"
        if self.nearest in self.near_duplicates:
            return f"it repeats a kept one, {where}" if not self.kept else f"although it repeats {where}"
        if self.kept:
            return f"the nearest other kept one is {where}"
        if self.covered:
            return f"it is covered by {where}"
        beyond = f"beyond the coverage radius {self.coverage_radius:.3g}"
        return f"it is not covered, the nearest kept one is {where}, {beyond}"

    def _score(self) -> str:
        if "score" not in self.figures:
            return ""
        return f"; its score is higher than that of {self.percentiles['score']:.0%} of all"

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists.

        Examples:
            >>> results.explain(dataset.first().id, "10%").to_dict()["budget"]
            6
        """
        return {
            "row": self.row,
            "rank": self.rank,
            "budget": self.budget,
            "kept": self.kept,
            "covered": self.covered,
            "nearest": self.nearest,
            "distance": self.distance if self.nearest is not None else None,
            "near_duplicates": self.near_duplicates.tolist(),
            "n_kept_near_duplicates": self.n_kept_near_duplicates,
            "figures": dict(self.figures),
            "percentiles": dict(self.percentiles),
            "summary": self.summary(),
        }

    def __str__(self) -> str:
        return self.summary()


def explain_row(
    embeddings: Any,
    ranking: Sequence[int] | np.ndarray,
    row: int,
    budget: int,
    *,
    figures: Mapping[str, np.ndarray] | None = None,
    coverage_radius: float | None = None,
    near_duplicate_radius: float | None = None,
    near_copies: np.ndarray | None = None,
    normalize: bool = True,
    seed: int = 0,
) -> RowExplanation:
    """Explains why an image is kept or dropped at a budget.

    Args:
        embeddings: (n, d) embeddings, or :class:`Points`
        ranking: (r,) rows, first to keep first
        row: the image
        budget: images kept, 1 to r
        figures (None): name -> (n,) figures of the method, e.g. score, coverage and redundancy; NaN where not ranked
        coverage_radius (None): distance within which an image counts as covered; read from the data by default,
            which takes longer than the rest: pass that of the curve
        near_duplicate_radius (None): near-duplicate radius; likewise
        near_copies (None): (n,) group of near-copies of every image; if given, they are the near-duplicates
        normalize (True): whether distances are taken between unit-length vectors
        seed (0): of the distances read from the data

    Returns:
        a :class:`RowExplanation`

    Raises:
        CoresetError: if the row has no embedding, or the budget lies outside the ranking

    Examples:
        >>> ranking = results.ranking
        >>> explanation = fc.explain_row(embeddings, ranking, row=int(ranking[-1]), budget=10)
        >>> explanation.kept
        False
    """
    seed = check_seed(seed)
    points = as_points(embeddings, normalize)
    order = usable_row_set(ranking, points, "ranking")
    if not 1 <= budget <= len(order):
        raise CoresetError(f"budget {budget} lies outside the ranking; give 1 to {len(order):,}")
    row = int(usable_row_set(np.array([row]), points, "row")[0])
    radius, duplicate_radius = comparison_radii(points, coverage_radius, near_duplicate_radius, seed)
    distance = _distances_to(points, row)
    kept = np.zeros(points.n, dtype=bool)
    kept[order[:budget]] = True
    kept[row] = False
    nearest = int(np.where(kept, distance, np.inf).argmin()) if kept.any() else None
    close = np.flatnonzero(distance <= duplicate_radius if near_copies is None else near_copies == near_copies[row])
    close = close[close != row]
    place = np.flatnonzero(order == row)
    known = {name: values for name, values in (figures or {}).items() if not np.isnan(values[row])}
    return RowExplanation(
        row=row,
        rank=int(place[0]) if len(place) else None,
        budget=int(budget),
        n_ranked=len(order),
        nearest=nearest,
        distance=float(distance[nearest]) if nearest is not None else float("inf"),
        near_duplicates=close[np.lexsort((distance[close], ~kept[close]))],
        n_kept_near_duplicates=int(kept[close].sum()),
        coverage_radius=radius,
        near_duplicate_radius=duplicate_radius,
        figures={name: float(values[row]) for name, values in known.items()},
        percentiles={name: _percentile(values, row) for name, values in known.items()},
    )


def _distances_to(points: Points, row: int) -> np.ndarray:
    """(n,) distances to one row, by subtraction; inf for rows without an embedding."""
    target = points.block(np.array([row]))
    distance = np.full(points.n, np.inf)
    for start in range(0, len(points.rows), _BLOCK):
        rows = points.rows[start : start + _BLOCK]
        delta = points.block(rows) - target
        distance[rows] = np.sqrt(np.einsum("ij,ij->i", delta, delta))
    return distance


def _percentile(values: np.ndarray, row: int) -> float:
    """Share of the known values that are smaller than the row's."""
    return float((values[~np.isnan(values)] < values[row]).mean())
