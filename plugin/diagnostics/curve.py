"""Coverage and redundancy against the budget: read at any budget, and plotted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import CoresetError
from ..figures import BLUE, GREY, LIGHT, ORANGE, RED, Mark, Pane, draw
from ..selection.budget import covering_prefix
from .metric import MEANING, Metric, RandomBand
from .tables import Content, html_card, number, text_card

#: The metrics a curve follows, by their names in reports.
METRICS = ("distance_median", "distance_95", "distance_mean", "coverage", "near_duplicate_rate")

#: (metric, axis title, knee marked) of the three panes.
_PANES = (
    ("coverage", "share covered", "coverage"),
    ("distance_95", "95 % distance to a kept one", None),
    ("near_duplicate_rate", "near-duplicate rate", "near_duplicate_rate"),
)


@dataclass(frozen=True)
class CoverageCurve:
    """Coverage and redundancy of every prefix of a ranking.

    Distances are known at ``budgets``, a logarithmic grid, and interpolated in between; coverage and near-duplicates
    are counted at any budget. Where ``n_rows < n`` they are known for a random sample of the images.

    Attributes:
        n: images with an embedding
        budgets: (g,) int64 grid, from 1 to the length of the ranking
        values: metric -> (g,) float64, see :data:`METRICS`
        random_mean: metric -> (g,) mean over random subsets of the same size
        random_sd: metric -> (g,) their standard deviation
        n_random: number of random subsets at each budget
        coverage_radius: distance within which an image counts as covered
        near_duplicate_radius: distance within which two images are near-duplicates
        normalize: whether distances are between unit-length vectors
        rows: (m,) evaluated rows of the embedding matrix
        distance: (g, m) float16 distance of each evaluated row to the nearest kept one
        covered_at: (m,) ascending budgets, one an evaluated row, from which on the row is covered
        followed: (p,) ranks of the kept images whose near-duplicates are followed
        followed_weight: (p,) how many ranked images each of those stands for
        redundant_at: (p,) budgets from which on those are kept together with a near-duplicate

    Examples:
        >>> curve = results.curve()
        >>> curve.max_budget
        60
        >>> curve.coverage_at(60)
        1.0
    """

    n: int
    budgets: np.ndarray
    values: dict[str, np.ndarray]
    random_mean: dict[str, np.ndarray]
    random_sd: dict[str, np.ndarray]
    n_random: int
    coverage_radius: float
    near_duplicate_radius: float
    normalize: bool
    rows: np.ndarray
    distance: np.ndarray
    covered_at: np.ndarray
    followed: np.ndarray
    followed_weight: np.ndarray
    redundant_at: np.ndarray

    @property
    def max_budget(self) -> int:
        """Length of the ranking."""
        return int(self.budgets[-1])

    @property
    def coverage_error(self) -> float:
        """Largest standard error of a covered share; 0 when every image was evaluated."""
        m = len(self.rows)
        return 0.0 if m == self.n else 0.5 * math.sqrt((1 / m) * (1 - m / self.n))

    def at(self, budget: int) -> dict[str, Metric]:
        """All metrics at a budget, beside random subsets of that size; a fraction of a millisecond.

        Args:
            budget: images kept, 1 to ``max_budget``

        Returns:
            metric -> :class:`Metric`

        Raises:
            CoresetError: if the budget lies outside the ranking

        Examples:
            >>> coverage = results.curve().at(30)["coverage"]
            >>> 0 < coverage.value <= 1 and coverage.random.mean < 1
            True
        """
        self._check(budget)
        counted = {"coverage": self.coverage_at(budget), "near_duplicate_rate": self.near_duplicate_rate_at(budget)}
        where = np.log(self.budgets)

        def read(curve: np.ndarray) -> float:
            return float(np.interp(math.log(budget), where, curve))

        return {
            name: Metric(
                counted.get(name, read(self.values[name])),
                RandomBand(read(self.random_mean[name]), read(self.random_sd[name]), self.n_random),
                *MEANING[name],
            )
            for name in METRICS
        }

    def coverage_at(self, budget: int) -> float:
        """Share of the images within the coverage radius of the first ``budget`` images.

        Examples:
            >>> curve = results.curve()
            >>> curve.coverage_at(6) < curve.coverage_at(30)
            True
        """
        return float(np.searchsorted(self.covered_at, budget, side="right") / len(self.covered_at))

    def near_duplicate_rate_at(self, budget: int) -> float:
        """Share of the first ``budget`` images that have another one of them within the near-duplicate radius.

        Examples:
            >>> results.curve().near_duplicate_rate_at(60)  # six images repeat another one
            0.2
        """
        kept = self.followed_weight[self.followed < budget].sum()
        return float(self.followed_weight[self.redundant_at <= budget].sum() / kept)

    def distances_at(self, budget: int) -> np.ndarray:
        """Distance of every evaluated row to the nearest kept one at the largest grid budget up to ``budget``.

        Returns:
            (m,) float32, aligned with ``rows``; to the nearest of at most ``budget`` kept images, so never too small

        Examples:
            >>> bool(results.curve().distances_at(60).max() < 1e-3)
            True
        """
        self._check(budget)
        return self.distance[np.searchsorted(self.budgets, budget, side="right") - 1].astype(np.float32)

    def smallest_budget_for(self, coverage: float) -> int:
        """The smallest budget that covers a share of the images.

        Args:
            coverage: share of the images, in (0, 1], within the coverage radius of a kept one

        Returns:
            the budget, counted on the evaluated images

        Raises:
            CoresetError: if the share is no share, or the whole ranking does not reach it

        Examples:
            >>> curve = results.curve()
            >>> budget = curve.smallest_budget_for(0.95)
            >>> curve.coverage_at(budget) >= 0.95 > curve.coverage_at(budget - 1)
            True
        """
        if not 0 < coverage <= 1:
            raise CoresetError(f"coverage={coverage}: give a share in (0, 1], e.g. 0.95")
        return covering_prefix(self.covered_at, self.max_budget, coverage, self.coverage_radius)

    @property
    def knees(self) -> dict[str, int | None]:
        """Where the curves bend.

        Returns:
            "coverage": the grid budget beyond which an added image shortens the mean distance by less than the average
            image does; "near_duplicate_rate": the one beyond which an added image brings more near-duplicates than the
            average image does, None without near-duplicates
        """
        share = self.budgets / self.max_budget
        mean = self.values["distance_mean"]
        covered = (mean[0] - mean) / max(mean[0] - mean[-1], 1e-12)
        redundant = self.values["near_duplicate_rate"] * self.budgets
        knee = int(self.budgets[np.argmax(share - redundant / redundant[-1])]) if redundant[-1] else None
        return {"coverage": int(self.budgets[np.argmax(covered - share)]), "near_duplicate_rate": knee}

    def plot(self, budget: int | None = None, backend: str = "plotly") -> Any:
        """Draws coverage, distance and near-duplicates against the budget, with the random band and the knees.

        Args:
            budget (None): a budget to mark
            backend ("plotly"): "plotly" for an interactive figure, as FiftyOne's are, "matplotlib" for a static one

        Returns:
            a figure with one pane a quantity; the random band is mean ± 2 SD

        Raises:
            CoresetError: if there is no such backend, or matplotlib is not installed

        Examples:
            >>> results.curve().plot(budget=12).write_html("curve.html")
            >>> results.curve().plot(budget=12, backend="matplotlib").savefig("curve.png")
        """
        return draw([self._pane(name, title, knee, budget) for name, title, knee in _PANES], 12, 3.5, backend)

    def _pane(self, name: str, title: str, knee: str | None, budget: int | None) -> Pane:
        mean, sd, values = self.random_mean[name], self.random_sd[name], self.values[name]
        band = np.clip([mean - 2 * sd, mean + 2 * sd], 0, np.inf if name == "distance_95" else 1)
        marks = [
            Mark("random, ± 2 SD", self.budgets, band, LIGHT, "band"),
            Mark("random, mean", self.budgets, mean, GREY),
            Mark("this ranking", self.budgets, values, ORANGE),
        ]
        top = [0, max(band.max(), values.max())]
        at = self.knees[knee] if knee else None
        if at is not None:
            marks.append(Mark(f"knee of the {title}, {at:,}", [at, at], top, BLUE, "dotted"))
        if budget is not None:
            marks.append(Mark(f"budget, {budget:,}", [budget, budget], top, RED, "dashed"))
        return Pane(marks, "kept", title, from_zero=True)

    def __repr__(self) -> str:
        return f"<CoverageCurve of {self.n:,} rows, budgets 1 to {self.max_budget:,}; print it to read it>"

    def __str__(self) -> str:
        return text_card([self._table()])

    def _repr_html_(self) -> str:
        return html_card([self._table()])

    def _table(self) -> Content:
        shares = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
        rows = []
        for budget in sorted({max(1, round(share * self.max_budget)) for share in shares}):
            found = self.at(budget)
            cells = [number(found[name].value) + f" ({number(found[name].random_mean)})" for name in METRICS]
            rows.append([f"{budget:,}", *cells, ""])
        knees = ", ".join(f"{name} {budget:,}" for name, budget in self.knees.items() if budget)
        caption = f"In brackets: random subsets. Knees: {knees}."
        if self.coverage_error:
            caption += f" From {len(self.rows):,} sampled rows: error of a share {self.coverage_error:.2%}."
        return f"Coverage curve of {self.n:,} rows", ("kept", *METRICS, ""), rows, caption

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything as numpy arrays without objects, for ``np.savez`` or a brain run."""
        scalars = [self.n, self.n_random, self.coverage_radius, self.near_duplicate_radius, self.normalize]
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        arrays["scalars"] = np.array(scalars, dtype=np.float64)
        for table in ("values", "random_mean", "random_sd"):
            arrays[table] = np.stack([getattr(self, table)[name] for name in METRICS])
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> CoverageCurve:
        """The curve that :meth:`to_arrays` wrote."""
        n, n_random, radius, near_duplicate_radius, normalize = np.asarray(arrays["scalars"]).tolist()

        def table(name: str) -> dict[str, np.ndarray]:
            return dict(zip(METRICS, np.asarray(arrays[name]), strict=True))

        return cls(
            n=int(n),
            n_random=int(n_random),
            coverage_radius=radius,
            near_duplicate_radius=near_duplicate_radius,
            normalize=bool(normalize),
            values=table("values"),
            random_mean=table("random_mean"),
            random_sd=table("random_sd"),
            budgets=np.asarray(arrays["budgets"]),
            rows=np.asarray(arrays["rows"]),
            distance=np.asarray(arrays["distance"]),
            covered_at=np.asarray(arrays["covered_at"]),
            followed=np.asarray(arrays["followed"]),
            followed_weight=np.asarray(arrays["followed_weight"]),
            redundant_at=np.asarray(arrays["redundant_at"]),
        )

    def _check(self, budget: int) -> None:
        if not 1 <= budget <= self.max_budget:
            raise CoresetError(f"budget {budget} lies outside the ranking; give 1 to {self.max_budget:,}")


_ARRAYS = ("budgets", "rows", "distance", "covered_at", "followed", "followed_weight", "redundant_at")
